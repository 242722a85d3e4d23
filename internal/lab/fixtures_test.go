package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contractNames are the keys that the contract names for threats, agents, and the envelope. A recorded reply has others too,
// from older versions of the API; the lab need not have those.
const contractNames = `data pagination totalItems nextCursor affected id threatInfo threatId threatName classification
	classificationSource confidenceLevel analystVerdict analystVerdictDescription incidentStatus incidentStatusDescription
	mitigationStatus mitigationStatusDescription createdAt identifiedAt updatedAt filePath fileSize fileExtension
	fileExtensionType fileVerificationType isFileless md5 sha1 sha256 publisherName certificateId isValidCertificate
	processUser originatorProcess maliciousProcessArguments storyline detectionType detectionEngines engines initiatedBy
	initiatedByDescription initiatingUserId initiatingUsername collectionId cloudFilesHashVerdict externalTicketExists
	externalTicketId failedActions pendingActions rebootRequired reachedEventsLimit automaticallyResolved
	mitigatedPreemptively browserType macroModules moduleName agentDetectionInfo agentUuid agentVersion agentOsName
	agentOsRevision agentDomain agentIpV4 agentIpV6 externalIp agentLastLoggedInUserName agentLastLoggedInUpn
	agentLastLoggedInUserMail agentMitigationMode agentDetectionState agentRegisteredAt accountId accountName siteId siteName
	groupId groupName cloudProviders agentRealtimeInfo agentId agentComputerName agentOsType agentMachineType
	agentNetworkStatus agentIsActive agentInfected agentIsDecommissioned agentDecommissionedAt activeThreats
	networkInterfaces name physical inet inet6 operationalState scanStatus scanStartedAt scanFinishedAt scanAbortedAt
	userActionsNeeded storageName storageType action status lastUpdate mitigationStartedAt mitigationEndedAt actionsCounters
	total success failed pendingReboot notFound groupNotFound agentSupportsReport latestReport reportId indicators category
	description ids categoryId tactics source techniques link whiteningOptions containerInfo image labels
	isContainerQuarantine kubernetesInfo cluster node namespace pod controllerName
	uuid computerName domain osType osName osArch osRevision machineType networkStatus isActive infected isDecommissioned
	isUninstalled lastActiveDate lastLoggedInUserName osUsername lastIpToMgmt activeDirectory mitigationMode serialNumber
	modelName registeredAt tags sentinelone key value detectionState`

// shapes maps every path of a JSON value to the types that it has there.
type shapes map[string]map[string]bool

func (s shapes) add(path string, v any) {
	kind := fmt.Sprintf("%T", v)
	switch v := v.(type) {
	case map[string]any:
		kind = "object"
		for k, e := range v {
			s.add(path+"."+k, e)
		}
	case []any:
		kind = "array"
		if len(v) == 0 {
			kind = "empty array"
		}
		for _, e := range v {
			s.add(path+"[]", e)
		}
	case nil:
		kind = "null"
	}
	if s[path] == nil {
		s[path] = map[string]bool{}
	}
	s[path][kind] = true
}

func shapesOf(t *testing.T, raw []byte) shapes {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	s := shapes{}
	s.add("", v)
	return s
}

// has says whether the path may have the type: it is there with it or as null, or what holds it is null or empty everywhere.
func (s shapes) has(path, kind string) bool {
	filled := func(k string) string { return strings.TrimPrefix(k, "empty ") }
	if kinds, ok := s[path]; ok {
		others := slices.DeleteFunc(slices.Collect(maps.Keys(kinds)), func(k string) bool { return k == "null" })
		return len(others) == 0 || kind == "null" || slices.ContainsFunc(others, func(k string) bool { return filled(k) == filled(kind) })
	}
	i := strings.LastIndexAny(path, ".[")
	if i <= 0 {
		return false
	}
	parent, ok := s[path[:i]]
	if !ok {
		return s.has(path[:i], "null")
	}
	return !slices.ContainsFunc(slices.Collect(maps.Keys(parent)), func(k string) bool { return k != "null" && k != "empty array" })
}

// placeholder says that a fixture has the name of a type, or a schema, where the API has a value.
func placeholder(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0 || v["readOnly"] != nil || v["type"] != nil && placeholder(v["type"])
	case string:
		return slices.Contains([]string{"boolean", "integer", "object", "array", "string"}, v)
	}
	return false
}

// clean takes the placeholders out, and detectionEngines, which fixtures have as words and the live API as objects.
func clean(v any) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(k string, e any) bool { return placeholder(e) || k == "detectionEngines" })
		for k, e := range v {
			v[k] = clean(e)
		}
	case []any:
		v = slices.DeleteFunc(v, placeholder)
		for i, e := range v {
			v[i] = clean(e)
		}
		return v
	}
	return v
}

func TestRepliesHaveEveryPathOfTheRecordedOnes(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is unset: the recorded replies are not compared")
	}
	w := newWorld(t, Options{Alerts: 500})
	threats := shapesOf(t, w.s1(200, "GET", "/threats?limit=1000", nil).body)
	agents := shapesOf(t, w.s1(200, "GET", "/agents?limit=100", nil).body)
	for name, lab := range map[string]shapes{
		"get_valid_threat_1": threats, "get_valid_threat_2": threats, "get_same_status_threat_1": threats,
		"monitor_logs_threats": threats, "threats": threats, "threats_not_found": threats,
		"affected_1":           shapesOf(t, w.s1(200, "POST", "/threats/notes", noteOn("x", w.bare(1)[0])).body),
		"search_agents_single": agents, "search_agents_multiple": agents, "search_agents_all": agents,
		"activities_empty": shapesOf(t, w.s1(200, "GET", "/activities", nil).body),
	} {
		raw, err := os.ReadFile(filepath.Join(dir, "sentinelone", "rapid7", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		compareShapes(t, name, raw, lab)
	}
}

func compareShapes(t *testing.T, name string, raw []byte, lab shapes) {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	recorded, known, compared := shapes{}, nameSet(contractNames), 0
	recorded.add("", clean(v))
	for path, kinds := range recorded {
		words := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) })
		unknown := slices.ContainsFunc(words, func(k string) bool { return !known[k] })
		if unknown || name == "threats" && ofOlderAPI(path) {
			continue
		}
		for kind := range kinds {
			compared++
			if !lab.has(path, kind) {
				t.Errorf("%s: the lab lacks %s as %s, it has %v", name, path, kind, lab[path])
			}
		}
	}
	if compared < 3 {
		t.Errorf("%s: only %d paths were compared", name, compared)
	}
}

// ofOlderAPI says that threats.json, a reply of version 2.0, has this key at another place than version 2.1.
func ofOlderAPI(path string) bool {
	key, ok := strings.CutPrefix(path, ".data[].")
	return ok && key != "id" && key != "indicators" && !strings.HasPrefix(key, "whiteningOptions")
}
