package wiz

import (
	"cmp"
	"fmt"
	"time"
)

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.999999999Z")
}

// few gives at most what "first" asks for, and refuses more than the vendor gives.
func few[T any](all []T, most int, render func(T) object, around func(nodes []object) object) resolver {
	return func(args map[string]any) (any, error) {
		n, err := number(args["first"], most)
		if err != nil {
			return nil, err
		}
		nodes := []object{}
		for _, one := range all[:min(n, len(all))] {
			nodes = append(nodes, render(one))
		}
		return around(nodes), nil
	}
}

func (v *Vendor) renderDetection(d *detection) object {
	kind, of := "MATCH_ONLY", object(nil)
	if d.issue != nil {
		kind, of = "GENERATED_THREAT", v.renderIssue(d.issue)
	}
	m := d.machine
	account := object{"id": stable(m.account), "name": "lab-" + m.account, "externalId": m.account, "cloudProvider": "AWS"}
	events := make([]int, d.events)
	for i := range events {
		events[i] = i
	}
	out := object{
		"__typename": "Detection", "id": d.id, "type": kind, "severity": d.severity, "createdAt": stamp(d.created), "updatedAt": stamp(d.updated),
		"startedAt": stamp(d.created.Add(-2 * time.Second)), "endedAt": stamp(d.created.Add(-time.Second)), "origins": []string{d.origin},
		"description": resolver(func(map[string]any) (any, error) {
			return "**" + v.rule(d) + "**.\n\nMade by the lab.", nil
		}),
		"issue": of, "cloudAccounts": []object{account}, "cloudOrganizations": nil,
		"ruleMatch": object{"rule": object{"id": stable(v.rule(d)), "name": v.rule(d), "builtin": true, "sourceType": "THREAT_DETECTION",
			"origins": []string{d.origin}, "securitySubCategories": categories()}},
		"actors":          []object{{"id": stable(m.user), "name": m.user, "externalId": m.user, "providerUniqueId": nil, "type": "USER_ACCOUNT", "nativeType": "user"}},
		"primaryActor":    object{"id": "", "name": m.user, "type": "USER_ACCOUNT"},
		"primaryResource": object{"id": m.id, "type": "VIRTUAL_MACHINE", "name": m.name, "externalId": m.instance, "region": m.region},
		"resources": []object{{"id": m.id, "name": m.name, "externalId": m.instance, "type": "VIRTUAL_MACHINE", "nativeType": "virtualMachine", "region": m.region,
			"providerUniqueId": fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", m.region, m.account, m.instance), "cloudAccount": account}},
		"triggeringEvents": few(events, 50, func(i int) object { return v.renderEvent(d, i) }, func(nodes []object) object {
			return object{"totalCountV2": d.events, "nodes": nodes}
		}),
	}
	return out
}

func categories() []object {
	mitre := object{"id": "wf-id-34", "name": "MITRE ATT&CK Matrix"}
	return []object{
		{"id": "wsct-id-1", "title": "High-profile vulnerability", "category": object{"id": "wct-1", "name": "Threats", "framework": object{"id": "wf-id-1", "name": "Wiz for Risk Assessment"}}},
		{"id": "wsct-id-2", "title": "T1059 Command and Scripting Interpreter", "category": object{"id": "wct-2", "name": "TA0002 Execution", "framework": mitre}},
	}
}

// renderEvent is the i-th event; the file is of the last.
func (v *Vendor) renderEvent(d *detection, i int) object {
	out := object{"__typename": "CloudEvent", "id": stable(fmt.Sprint(d.id, i)), "origin": d.origin, "name": "ProcessExecution", "description": "made by the lab",
		"cloudPlatform": "AWS", "timestamp": stamp(d.created.Add(-2 * time.Second)), "source": "lab", "category": "Detection", "status": "Success",
		"actorIP": "192.0.2.10", "rawAuditLogRecord": d.record(), "runtimeProgram": object{"name": nil}}
	if d.origin == "AWS_GUARD_DUTY" {
		m := d.machine
		arn := fmt.Sprintf("arn:aws:guardduty:%s:%s:detector/%s/finding/%s", m.region, m.account, "12abc34d567e8fa901bc2d34e56789f0", d.native)
		out["name"] = cmp.Or(d.title, "UnauthorizedAccess:EC2/SSHBruteForce")
		out["rawAuditLogRecord"] = object{"schemaVersion": "2.0", "accountId": m.account, "region": m.region, "id": d.native, "arn": arn, "type": out["name"]}
		out["cloudProviderUrl"] = fmt.Sprintf("https://%[1]s.console.aws.amazon.com/guardduty/home?region=%[1]s#/findings?macros=current&fId=%[2]s", m.region, d.native)
	}
	f, ok := v.about(d)
	if !ok || i != d.events-1 {
		return out
	}
	path := "/home/" + d.machine.user + "/Downloads/" + f.Name
	out["commandLine"] = "'" + path + "' --quiet"
	out["runtimeProgram"], out["parentRuntimeProgram"] = object{"name": f.Name}, object{"name": "bash"}
	out["extraDetails"] = object{"__typename": "CloudEventRuntimeDetails", "processTree": []object{{
		"command": "'" + path + "' --quiet", "path": path, "hash": f.SHA1, "size": f.Size, "executionTime": out["timestamp"], "userId": "1000", "userName": d.machine.user,
	}}}
	if d.known {
		out["trigger"] = object{"__typename": "CloudEventSensorRulesMatch", "sensorEngineRules": []object{{"rule": object{
			"id": stable("rule"), "name": "Malicious file executed", "MITRETactics": []string{"TA0002"}, "MITRETechniques": []string{"T1204.002"}}}},
			"fileReputationHashMatch": object{"name": f.Name, "md5": f.MD5, "sha1": f.SHA1, "sha256": f.SHA256,
				"malwareClassification": object{"type": "Trojan", "family": "Lab"}}}
	}
	return out
}

func (v *Vendor) renderIssue(i *issue) object {
	name, m := "Suspicious activity", v.machines[0]
	if len(i.detections) > 0 {
		name, m = v.rule(i.detections[0]), i.detections[0].machine
	}
	notes := []object{}
	for _, n := range v.visible(i) {
		notes = append(notes, renderNote(n))
	}
	out := object{
		"__typename": "Issue", "id": i.id, "type": i.kind, "status": i.status, "severity": i.severity, "createdAt": stamp(i.created), "updatedAt": stamp(i.updated),
		"statusChangedAt": stamp(i.changed), "resolutionReason": orNull(i.reason), "resolutionNote": orNull(i.remark), "description": "Made by the lab.",
		"url":            "https://app.wiz.io/issues#~(issue~'" + i.id + ")",
		"sourceRule":     object{"__typename": "CloudEventRule", "id": stable(name), "name": name, "description": "made by the lab", "sourceType": "THREAT_DETECTION", "type": "CORRELATION"},
		"sourceRules":    []object{{"__typename": "CloudEventRule", "id": stable(name), "name": name, "description": "made by the lab"}},
		"projects":       []object{{"id": stable("project"), "name": "Lab", "slug": "lab"}},
		"notes":          notes,
		"serviceTickets": []object{},
		"entitySnapshot": object{"id": m.id, "type": "VIRTUAL_MACHINE", "nativeType": "virtualMachine", "name": m.name, "status": "Active", "cloudPlatform": "AWS",
			"providerId": fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", m.region, m.account, m.instance), "region": m.region, "subscriptionExternalId": m.account,
			"subscriptionName": "lab-" + m.account, "tags": object{}, "externalId": m.instance},
		"threatDetectionDetails": nil,
	}
	if i.kind == "THREAT_DETECTION" {
		out["threatDetectionDetails"] = object{"detections": few(i.detections, 500, v.renderDetection, func(nodes []object) object {
			return object{"nodes": nodes, "totalCount": len(i.detections), "pageInfo": object{"hasNextPage": len(nodes) < len(i.detections), "endCursor": ""}}
		})}
	}
	return out
}

func renderNote(n note) object {
	return object{"id": n.id, "text": n.text, "createdAt": stamp(n.at), "updatedAt": stamp(n.at), "user": nil, "serviceAccount": object{"id": stable(n.author), "name": n.author}}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stable is a UUID made of a text.
func stable(s string) string {
	var a, b uint64 = 14695981039346656037, 1099511628211
	for _, c := range []byte(s) {
		a, b = (a^uint64(c))*1099511628211, (b+uint64(c))*6364136223846793005
	}
	out := fmt.Sprintf("%016x%016x", a, b)
	return out[:8] + "-" + out[8:12] + "-5" + out[13:16] + "-b" + out[17:20] + "-" + out[20:]
}

func number(v any, most int) (int, error) {
	f, ok := v.(float64)
	switch {
	case v == nil:
		return min(20, most), nil
	case !ok || f < 0:
		return 0, badInput("first must be a number")
	case int(f) > most:
		return 0, badInput("first must be at most %d", most)
	}
	return int(f), nil
}
