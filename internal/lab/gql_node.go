package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// milliText is the unified API's form of a time: UTC, three digits, Z.
func milliText(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000Z")
}

const low62 = 1<<62 - 1

// uuid is the alert's id: version 7, its time the creation, its tail the threat id under the console's key.
func (s *console) uuid(t *threat) string {
	ms := uint64(t.created/1000) & (1<<48 - 1)
	tail := uint64(t.id^s.idKey)&low62 | 1<<63
	head := 0x7000 | uint64(t.id)*0x9e3779b97f4a7c15>>52
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", ms>>16, ms&0xffff, head, tail>>48, tail&(1<<48-1))
}

// threatID is the other way; ok is false if the text is not a UUID.
func (s *console) threatID(uuid string) (id int64, ok bool) {
	parts := strings.Split(uuid, "-")
	if len(uuid) != 36 || len(parts) != 5 || len(parts[3]) != 4 {
		return 0, false
	}
	if _, err := strconv.ParseUint(parts[0]+parts[1]+parts[2], 16, 64); err != nil {
		return 0, false
	}
	tail, err := strconv.ParseUint(parts[3]+parts[4], 16, 64)
	return int64(tail&low62) ^ s.idKey, err == nil
}

// node is an alert as the unified API shows it: the detail type, in lists too.
func (s *console) node(t *threat) map[string]any {
	f, h, id := s.fileOf(t), s.hosts[t.host], s.uuid(t)
	result := "UNMITIGATED"
	if t.mitigated() {
		result = "MITIGATED"
	}
	confidence := strings.ToUpper(t.confidence())
	detected := milliText(t.identified())
	return map[string]any{
		"__typename": "UnifiedAlertDetail",
		"id":         id, "externalId": strconv.FormatInt(t.id, 10),
		"name": f.name + " detected as " + classification(f), "description": "A file was judged " + t.confidence() + " by the agent.",
		"severity": strings.ToUpper(severities()[t.severity]), "status": unifiedStatuses()[t.status],
		"analystVerdict": unifiedVerdict(t.verdict), "classification": strings.ToUpper(classification(f)),
		"confidenceLevel": confidence, "result": result,
		"detectedAt": detected, "createdAt": milliText(t.created), "firstSeenAt": detected,
		"lastSeenAt": milliText(max(t.updated, t.created)), "updatedAt": milliText(t.updated),
		"ticketId": nil, "storylineId": fmt.Sprintf("%016X", uint64(t.id)*0x9e3779b97f4a7c15),
		"selfLink":   "https://" + s.name + ".example/incidents/unified-alerts?alertId=" + id,
		"noteExists": s.hasNote(t.id), "labels": []any{}, "dataSources": []any{}, "attackSurfaces": []string{"ENDPOINT"},
		"preemptiveMitigationType": nil, "aiInvestigation": nil, "assignee": nil,
		"detectionSource": map[string]any{"product": "EDR", "vendor": "SentinelOne"},
		"analytics":       map[string]any{"category": "Reputation", "name": "Agent Policy", "typeValue": "DYNAMIC", "uid": nil},
		"assets":          []any{h.asset()}, "detectionTime": h.unifiedScope(),
		"indicators": []any{map[string]any{
			"uid": "117", "type": "Malicious file", "message": " ", "eventTime": detected,
			"severity": strings.ToUpper(severities()[t.severity]),
		}},
		"observables": []any{map[string]any{"name": "process.name", "type": "PROCESS", "typeName": nil, "value": f.name}},
		"process":     t.process(f, h),
		"realTime": map[string]any{"scope": map[string]any{
			"account": h.account.object(), "site": h.site.object(), "group": h.group.object(),
		}},
	}
}

func (p scope) object() map[string]any { return map[string]any{"id": p.id, "name": p.name} }

func (h *host) asset() map[string]any {
	connectivity := "ONLINE"
	if !h.online {
		connectivity = "OFFLINE"
	}
	return map[string]any{
		"id": stableUUID("asset/" + h.uuid), "name": h.name, "category": title(h.machine), "subcategory": "Physical Machine",
		"osType": strings.ToUpper(h.os), "osVersion": h.osName + " " + h.revision, "agentUuid": h.uuid, "agentVersion": h.version,
		"connectivityToConsole": connectivity, "lastLoggedInUser": h.user, "status": "ACTIVE", "primary": true,
		"decommissioned": false, "deleted": false, "pendingReboot": false,
	}
}

func (h *host) unifiedScope() map[string]any {
	return map[string]any{
		"attacker": nil,
		"scope": map[string]any{
			"accountId": h.account.id, "accountName": h.account.name, "siteId": h.site.id, "siteName": h.site.name,
			"groupId": h.group.id, "groupName": h.group.name,
		},
		"targetUser": map[string]any{"domain": nil, "emailAddress": "", "name": nil},
	}
}

func (t *threat) process(f *file, h *host) map[string]any {
	sha256, sha1, md5 := t.seenHashes(f)
	path := filePath(f, h)
	return map[string]any{
		"cmdLine": path, "parentName": originator(h.os), "username": h.user, "userDomain": "WORKGROUP",
		"file": map[string]any{
			"name": f.name, "path": path, "size": f.size, "md5": orNull(md5), "sha1": orNull(sha1), "sha256": orNull(sha256),
			"certSubject": nil, "signatureVerification": "Not Signed",
		},
	}
}

// unifiedStatuses are the words for statuses(), in the same order.
func unifiedStatuses() []string { return []string{"NEW", "IN_PROGRESS", "RESOLVED"} }
