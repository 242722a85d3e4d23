package defender

import (
	"encoding/json"
	"strings"
	"time"
)

// object is one JSON object.
type object = map[string]any

// timeOf is a time as Graph writes it: seven digits at most, without zeros at the end.
func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// orNull is null for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orUnknown(s string) any {
	if s == "" {
		return "unknown"
	}
	return s
}

func (v *Vendor) renderAlert(a *alert) object {
	techniques := []string{}
	if a.technique != "" {
		techniques = append(techniques, a.technique)
	}
	var resolved any
	if a.status == "resolved" {
		resolved = timeOf(a.updated)
	}
	return object{
		"id": a.id, "providerAlertId": a.id, "incidentId": a.incident.id, "status": a.status, "severity": a.severity,
		"classification": orUnknown(a.classification), "determination": orUnknown(a.determination),
		"serviceSource": "microsoftDefenderForEndpoint", "detectionSource": "antivirus", "detectorId": "e0da400f-affd-43ef-b1d5-afc2eb6f2756",
		"productName": "Microsoft Defender for Endpoint", "alertPolicyId": nil, "investigationState": "queued",
		"tenantId": TenantID, "title": a.title, "description": "Made by the lab.", "recommendedActions": "Look at it.",
		"category": a.category, "categories": []string{a.category}, "assignedTo": orNull(a.assigned),
		"alertWebUrl":      "https://security.microsoft.com/alerts/" + a.id + "?tid=" + TenantID,
		"incidentWebUrl":   "https://security.microsoft.com/incidents/" + a.incident.id + "?tid=" + TenantID,
		"actorDisplayName": nil, "threatDisplayName": nil, "threatFamilyName": nil, "mitreTechniques": techniques, "systemTags": []string{},
		"createdDateTime": timeOf(a.created), "lastUpdateDateTime": timeOf(a.updated), "resolvedDateTime": resolved,
		"firstActivityDateTime": timeOf(a.created.Add(-90 * time.Second)), "lastActivityDateTime": timeOf(a.created.Add(-time.Minute)),
		"comments": v.renderComments(a.comments, false), "evidence": a.evidenceOf(), "customDetails": object{}, "additionalData": object{},
	}
}

// renderComments shows what can be seen; all of it in the answer to a new one.
func (v *Vendor) renderComments(cs []comment, all bool) []object {
	out := []object{}
	for _, c := range cs {
		if all || !v.opt.Now().Before(c.from) {
			out = append(out, object{"comment": c.text, "createdByDisplayName": c.by, "createdDateTime": timeOf(c.at)})
		}
	}
	return out
}

// evidenceOf is the evidence of an alert, which changes only with its machine's health.
func (a *alert) evidenceOf() json.RawMessage {
	if a.health != a.machine.health {
		a.evidence, _ = json.Marshal(a.renderEvidence()) // maps of texts and numbers always marshal
		a.health = a.machine.health
	}
	return a.evidence
}

func (a *alert) renderEvidence() []object {
	base := func(kind string, roles ...string) object {
		if roles == nil {
			roles = []string{}
		}
		return object{
			"@odata.type": "#microsoft.graph.security." + kind, "createdDateTime": timeOf(a.created), "verdict": "suspicious",
			"remediationStatus": "none", "remediationStatusDetails": nil, "roles": roles, "detailedRoles": []string{}, "tags": []string{},
		}
	}
	m := a.machine
	device := base("deviceEvidence", "compromised")
	for k, val := range (object{
		"mdeDeviceId": m.id, "azureAdDeviceId": nil, "deviceDnsName": m.name, "hostName": strings.Split(m.name, ".")[0], "osPlatform": m.os,
		"osBuild": 22631, "version": m.version, "healthStatus": strings.ToLower(m.health[:1]) + m.health[1:], "riskScore": "medium", "rbacGroupId": 75,
		"rbacGroupName": "UnassignedGroup", "onboardingStatus": "onboarded", "defenderAvStatus": "updated", "ipInterfaces": []string{"192.0.2.7"},
		"loggedOnUsers": []object{{"accountName": "alex", "domainName": "LAB"}}, "detailedRoles": []string{"Main device"},
	}) {
		device[k] = val
	}
	user := object{
		"accountName": "alex", "domainName": "LAB", "userSid": "S-1-5-21-1-2-3-1001", "azureAdUserId": nil, "userPrincipalName": "alex@lab.example", "displayName": "Alex",
	}
	out := []object{device}
	if a.file != nil {
		details := a.details()
		file := base("fileEvidence")
		file["fileDetails"], file["detectionStatus"], file["mdeDeviceId"] = details, "detected", m.id
		out = append(out, file)
		if a.process {
			p := base("processEvidence")
			for k, val := range (object{
				"processId": 4780, "parentProcessId": 668, "processCommandLine": `"` + a.file.Name + `" /quiet`, "processCreationDateTime": timeOf(a.created),
				"imageFile": details, "parentProcessImageFile": object{"fileName": "explorer.exe", "filePath": `C:\Windows`, "sha1": strings.Repeat("ab", 20)},
				"userAccount": user, "detectionStatus": "detected", "mdeDeviceId": m.id,
			}) {
				p[k] = val
			}
			out = append(out, p)
		}
	}
	u := base("userEvidence")
	u["userAccount"], u["stream"] = user, nil
	return append(out, u)
}

// dir is where the file of an alert lies: a directory alone.
func (a *alert) dir() string {
	if a.machine.os == "Ubuntu" {
		return "/var/tmp"
	}
	return `C:\Users\alex\Downloads`
}

// path is where a client must look for it.
func (a *alert) path() string {
	if strings.HasPrefix(a.dir(), "/") {
		return a.dir() + "/" + a.file.Name
	}
	return a.dir() + `\` + a.file.Name
}

func (a *alert) details() object {
	f := a.file
	return object{
		"fileName": f.Name, "filePath": a.dir(), "fileSize": f.Size, "sha1": f.SHA1, "sha256": f.SHA256, "sha256Ac": nil, "md5": nil,
		"filePublisher": nil, "signer": nil, "issuer": nil,
	}
}

func (v *Vendor) renderIncident(i *incident, expand bool) object {
	tags := i.tags
	if tags == nil {
		tags = []string{}
	}
	out := object{
		"id": i.id, "displayName": i.title, "description": "Made by the lab.", "summary": nil, "severity": i.severity, "status": i.status,
		"classification": orUnknown(i.classification), "determination": orUnknown(i.determination), "assignedTo": orNull(i.assigned),
		"customTags": tags, "systemTags": []string{}, "comments": v.renderComments(i.comments, false), "priorityScore": 50,
		"redirectIncidentId": orNull(i.redirect), "resolvingComment": nil, "lastModifiedBy": appName, "tenantId": TenantID,
		"incidentWebUrl":  "https://security.microsoft.com/incidents/" + i.id + "?tid=" + TenantID,
		"createdDateTime": timeOf(i.created), "lastUpdateDateTime": timeOf(i.updated),
	}
	if expand {
		alerts := []object{}
		for _, a := range i.alerts {
			alerts = append(alerts, v.renderAlert(a))
		}
		out["alerts"] = alerts
	}
	return out
}

func renderMachine(m *machine) object {
	return object{
		"id": m.id, "computerDnsName": m.name, "firstSeen": "2025-01-02T03:04:05.0000000Z", "lastSeen": "2026-11-22T10:00:00.0000000Z",
		"osPlatform": m.os, "osBuild": 22631, "version": m.version, "lastIpAddress": "192.0.2.7", "lastExternalIpAddress": "203.0.113.7",
		"healthStatus": m.health, "onboardingStatus": "Onboarded", "riskScore": "Medium", "exposureLevel": "Low", "rbacGroupId": 75,
		"rbacGroupName": "UnassignedGroup", "aadDeviceId": nil, "machineTags": []string{}, "ipAddresses": []object{},
	}
}
