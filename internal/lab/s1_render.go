package lab

import (
	"fmt"
	"strconv"
	"time"
)

// timeText is the vendor's form of a time: UTC, six digits, Z.
func timeText(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// orNull is nil for "": the vendor says null for what it does not know.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// sparse says that this threat came from an agent that told little: one in sixteen.
func (t *threat) sparse() bool { return t.salt%16 == 0 }

// static says that the file was judged before it ran.
func (t *threat) static() bool { return t.salt&0x100 != 0 }

// render fills the reply for one threat.
func (s *console) render(t *threat, out *threatJSON) {
	f, h := s.fileOf(t), s.hosts[t.host]
	out.ID = strconv.FormatInt(t.id, 10)
	s.renderInfo(t, f, h, &out.ThreatInfo)
	out.AgentDetection = h.atDetection(t)
	out.AgentRealtime = h.now(t.status != statusResolved)
	out.Indicators = t.indicators()
	out.MitigationStatus = t.mitigations()
	out.WhiteningOptions = []string{"hash", "path"}
	if t.sparse() {
		out.WhiteningOptions = []string{}
	}
}

func (s *console) renderInfo(t *threat, f *file, h *host, i *threatInfo) {
	i.ThreatID, i.ThreatName = strconv.FormatInt(t.id, 10), f.name
	i.Classification, i.ConfidenceLevel = classification(f), t.confidence()
	i.AnalystVerdict, i.IncidentStatus = restVerdict(t.verdict), statuses()[t.status]
	i.AnalystVerdictDescription, i.IncidentStatusDescription = title(i.AnalystVerdict), title(i.IncidentStatus)
	i.MitigationStatus = "not_mitigated"
	if t.mitigated() {
		i.MitigationStatus = "mitigated"
	}
	i.MitigationStatusDescription = title(i.MitigationStatus)
	i.CreatedAt, i.UpdatedAt, i.IdentifiedAt = timeText(t.created), timeText(t.updated), timeText(t.identified())
	i.FilePath, i.FileSize = filePath(f, h), f.size
	sha256, sha1, md5 := t.seenHashes(f)
	i.SHA256, i.SHA1, i.MD5 = orNull(sha256), orNull(sha1), orNull(md5)
	if t.hashes == hashEmpty {
		i.FileSize = 0
	}
	i.CollectionID = strconv.FormatInt(1_400_000_000_000_000_000+int64(t.file), 10)
	i.DetectionType, i.DetectionEngines, i.Engines = "dynamic", []engineJSON{{"executables", "Behavioral AI"}}, []string{"Behavioral AI"}
	if t.static() {
		i.DetectionType, i.DetectionEngines, i.Engines = "static", []engineJSON{{"sentinelone_cloud", "SentinelOne Cloud"}}, []string{"SentinelOne Cloud"}
	}
	i.InitiatedBy, i.InitiatedByDescription = "agent_policy", "Agent Policy"
	i.FileExtension, i.FileExtensionType = orNull(f.kind.ext), orNull(f.kind.extType)
	i.MacroModules = []macroModule{}
	if t.sparse() {
		return
	}
	i.ClassificationSource, i.FileVerificationType = orNull("Behavioral"), orNull("NotSigned")
	if t.static() {
		i.ClassificationSource = orNull("Cloud")
	}
	if f.verdict == "trusted" {
		valid := true
		i.FileVerificationType, i.PublisherName, i.IsValidCertificate = orNull("SignedVerified"), orNull(f.family), &valid
	}
	i.CloudFilesHashVerdict = orNull("provider_unknown")
	if f.verdict == "malicious" {
		i.CloudFilesHashVerdict = orNull("black")
	}
	i.ProcessUser, i.Storyline = orNull(h.account.name+`\`+h.user), orNull(fmt.Sprintf("%016X", uint64(t.id)*0x9e3779b97f4a7c15))
	if !t.static() {
		i.OriginatorProcess = orNull(originator(h.os))
		i.MaliciousProcessArguments = orNull(`"` + i.FilePath + `" --silent`)
	}
}

// identified is the agent's time, a little before the console heard of it; agents' clocks are not better than that.
func (t *threat) identified() int64 {
	return t.created/1000*1000 - int64(t.salt%3000)*1000
}

func (t *threat) mitigated() bool { return t.salt%3 == 0 || t.status == statusResolved }

func classification(f *file) string {
	switch f.verdict {
	case "malicious":
		if f.family == "LockBit" || f.family == "BlackCat" {
			return "Ransomware"
		}
		return "Trojan"
	case "suspicious":
		return "PUA"
	}
	return "Malware"
}

func originator(os string) string {
	switch os {
	case "linux":
		return "bash"
	case "macos":
		return "launchd"
	}
	return "explorer.exe"
}

func filePath(f *file, h *host) string {
	switch h.os {
	case "linux":
		return "/home/" + h.user + "/" + f.name
	case "macos":
		return "/Users/" + h.user + "/Downloads/" + f.name
	}
	return `\Device\HarddiskVolume3\Users\` + h.user + `\Downloads\` + f.name
}

func (h *host) interfaces() []netIface {
	return []netIface{{ID: h.ifaceID, Name: "Ethernet", Physical: h.mac, Inet: []string{h.ip}, Inet6: []string{h.ipv6}}}
}

func (h *host) atDetection(t *threat) agentDetectionInfo {
	d := agentDetectionInfo{
		AgentUUID: h.uuid, AgentVersion: h.version, AgentOSName: h.osName, AgentOSRevision: h.revision, AgentDomain: "WORKGROUP",
		AgentIPv4: h.ip, AgentIPv6: h.ipv6, ExternalIP: h.external, AgentMitigationMode: "protect",
		AgentRegisteredAt: timeText(h.registered), AccountID: h.account.id, AccountName: h.account.name,
		SiteID: h.site.id, SiteName: h.site.name, GroupID: h.group.id, GroupName: h.group.name,
	}
	if !t.sparse() {
		d.LastLoggedInUserName, d.LastLoggedInUPN = orNull(h.user), orNull(h.user+"@lab.example")
	}
	return d
}

func (h *host) now(infected bool) agentRealtimeInfo {
	r := agentRealtimeInfo{
		AgentID: h.id, AgentUUID: h.uuid, AgentComputerName: h.name, AgentDomain: "WORKGROUP", AgentOSName: h.osName,
		AgentOSType: h.os, AgentOSRevision: h.revision, AgentVersion: h.version, AgentMachineType: h.machine,
		AgentNetworkStatus: h.network, AgentMitigationMode: "protect", AgentIsActive: h.online, AgentInfected: infected,
		NetworkInterfaces: h.interfaces(), OperationalState: "na", ScanStatus: "finished", UserActionsNeeded: []string{},
		AccountID: h.account.id, AccountName: h.account.name, SiteID: h.site.id, SiteName: h.site.name,
		GroupID: h.group.id, GroupName: h.group.name,
	}
	if infected {
		r.ActiveThreats = 1
	}
	return r
}

func (t *threat) indicators() []indicator {
	if t.sparse() {
		return []indicator{}
	}
	attack := func(name, id string) []tactic {
		return []tactic{{Name: name, Source: "MITRE", Techniques: []technique{{Name: id, Link: "https://attack.mitre.org/techniques/" + id + "/"}}}}
	}
	all := []indicator{
		{Category: "Ransomware", Description: "Deleted shadow copies.", IDs: []int{156}, Tactics: attack("Impact", "T1490")},
		{Category: "Persistence", Description: "Application registered itself to run at start.", IDs: []int{205}, Tactics: attack("Persistence", "T1547")},
		{Category: "Evasion", Description: "Code injection to other process memory space.", IDs: []int{33, 34}, Tactics: attack("Defense Evasion", "T1055")},
		{Category: "InfoStealer", Description: "Read credentials from a browser.", IDs: []int{62}, Tactics: attack("Credential Access", "T1555")},
	}
	from := int(t.salt>>4) % len(all)
	return all[from:min(from+2, len(all))]
}

func (t *threat) mitigations() []mitigation {
	if !t.mitigated() {
		return []mitigation{}
	}
	at := timeText(t.created + 2_000_000)
	report, id := "/threats/mitigation-report", strconv.FormatInt(t.id+7, 10)
	return []mitigation{
		{
			Action: "quarantine", Status: "success", LastUpdate: at, MitigationStartedAt: at, MitigationEndedAt: &at,
			ActionsCounters: &actionCounters{Total: 1, Success: 1}, AgentSupportsReport: true, LatestReport: &report, ReportID: &id,
		},
		{Action: "kill", Status: "success", LastUpdate: at, MitigationStartedAt: at, MitigationEndedAt: &at, AgentSupportsReport: true},
	}
}
