package aws

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// condition is what one attribute must meet. The short names are the deprecated twins.
type condition struct {
	Equals    []string `json:"equals"`
	Eq        []string `json:"eq"`
	NotEquals []string `json:"notEquals"`
	Neq       []string `json:"neq"`

	GreaterThan        *int64 `json:"greaterThan"`
	Gt                 *int64 `json:"gt"`
	GreaterThanOrEqual *int64 `json:"greaterThanOrEqual"`
	Gte                *int64 `json:"gte"`
	LessThan           *int64 `json:"lessThan"`
	Lt                 *int64 `json:"lt"`
	LessThanOrEqual    *int64 `json:"lessThanOrEqual"`
	Lte                *int64 `json:"lte"`

	Matches    []string `json:"matches"`
	NotMatches []string `json:"notMatches"`
}

// listKeys are attributes that ListFindings takes by its documentation: those of them
// that findings here have.
func listKeys() []string {
	return []string{"accountId", "region", "confidence", "id", "severity", "type", "updatedAt",
		"resource.accessKeyDetails.accessKeyId", "resource.accessKeyDetails.principalId", "resource.accessKeyDetails.userName",
		"resource.accessKeyDetails.userType", "resource.instanceDetails.iamInstanceProfile.id", "resource.instanceDetails.imageId",
		"resource.instanceDetails.instanceId", "resource.instanceDetails.networkInterfaces.publicIp",
		"resource.instanceDetails.networkInterfaces.subnetId", "resource.instanceDetails.networkInterfaces.vpcId",
		"resource.instanceDetails.networkInterfaces.securityGroups.groupId", "resource.instanceDetails.tags.key",
		"resource.instanceDetails.tags.value", "resource.resourceType", "service.action.actionType", "service.archived",
		"service.ebsVolumeScanDetails.scanId", "service.resourceRole"}
}

// hashKeys are attributes about files that filters take, and lists as well as far as is known.
func hashKeys() []string {
	return []string{"service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.threatNames.filePaths.hash",
		"service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.shortened",
		"service.runtimeDetails.process.executableSha256", "service.runtimeDetails.context.modifyingProcess.executableSha256",
		"service.runtimeDetails.context.targetProcess.executableSha256", "service.runtimeDetails.context.moduleSha256",
		"service.malwareScanDetails.threats.hash", "service.malwareScanDetails.threats.itemPaths.hash",
		"service.malwareScanDetails.threats.itemDetails.hash", "service.evidence.threatIntelligenceDetails.threatFileSha256",
		"service.additionalInfo.threatFileSha256", "resource.s3BucketDetails.s3ObjectDetails.hash",
		"service.detection.sequence.actors.process.sha256"}
}

// checkCriteria refuses what the API refuses.
func (v *Vendor) checkCriteria(c map[string]condition) *apiError {
	if len(c) > maxIDs {
		return badRequest("a maximum of 50 attributes can be used in findingCriteria.")
	}
	for name, cond := range c {
		if !slices.Contains(listKeys(), name) && (v.narrow || !slices.Contains(hashKeys(), name)) {
			return badRequest("the criterion attribute %q is invalid.", name)
		}
		if len(cond.Matches)+len(cond.NotMatches) > 0 {
			return badRequest("matches and notMatches are for filters only.")
		}
		for _, list := range [][]string{cond.Equals, cond.Eq, cond.NotEquals, cond.Neq} {
			if len(list) > maxIDs {
				return badRequest("a condition of %q has more than 50 values.", name)
			}
		}
	}
	return nil
}

// matches reports whether a finding meets every condition.
func (v *Vendor) matches(f *finding, c map[string]condition) bool {
	var whole object // of what is asked for seldom
	for name, cond := range c {
		var values []any
		switch name {
		case "updatedAt":
			values = []any{float64(f.updated.UnixMilli())}
		case "severity":
			values = []any{f.severity}
		case "service.archived":
			values = []any{f.archived}
		case "id":
			values = []any{f.id}
		case "type":
			values = []any{f.typ}
		case "accountId":
			values = []any{f.account}
		default:
			if whole == nil {
				whole = v.render(f)
			}
			values = lookup(whole, strings.Split(name, "."))
		}
		if !cond.holds(values) {
			return false
		}
	}
	return true
}

// lookup gives the values at a dotted path; every list on the way fans out.
func lookup(from any, path []string) []any {
	var out []any
	switch x := from.(type) {
	case []object:
		for _, item := range x {
			out = append(out, lookup(item, path)...)
		}
		return out
	case []string:
		for _, item := range x {
			out = append(out, lookup(item, path)...)
		}
		return out
	}
	if len(path) == 0 {
		return []any{from}
	}
	o, ok := from.(object)
	if !ok {
		return nil
	}
	if inner, ok := o["value"].(string); ok && path[0] == "threatFileSha256" { // additionalInfo: JSON inside JSON
		o = object{}
		_ = json.Unmarshal([]byte(inner), &o)
	}
	next, ok := o[path[0]]
	if !ok {
		return nil
	}
	return lookup(next, path[1:])
}

func (c condition) holds(values []any) bool {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = text(value)
	}
	in := func(list []string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return slices.Contains(list, t) })
	}
	for _, list := range [][]string{c.Equals, c.Eq} {
		if len(list) > 0 && !in(list) {
			return false
		}
	}
	for _, list := range [][]string{c.NotEquals, c.Neq} {
		if len(list) > 0 && in(list) {
			return false
		}
	}
	return c.bounds(values)
}

func (c condition) bounds(values []any) bool {
	for _, b := range []struct {
		limit *int64
		ok    func(v, limit float64) bool
	}{
		{c.GreaterThan, greater}, {c.Gt, greater}, {c.LessThan, less}, {c.Lt, less},
		{c.GreaterThanOrEqual, func(v, l float64) bool { return !less(v, l) }}, {c.Gte, func(v, l float64) bool { return !less(v, l) }},
		{c.LessThanOrEqual, func(v, l float64) bool { return !greater(v, l) }}, {c.Lte, func(v, l float64) bool { return !greater(v, l) }},
	} {
		if b.limit == nil {
			continue
		}
		if !slices.ContainsFunc(values, func(value any) bool {
			n, isNumber := value.(float64)
			return isNumber && b.ok(n, float64(*b.limit))
		}) {
			return false
		}
	}
	return true
}

func greater(v, l float64) bool { return v > l }
func less(v, l float64) bool    { return v < l }

func text(value any) string {
	switch x := value.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return ""
}
