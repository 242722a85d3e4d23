package wiz

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// The scopes of a service account.
const (
	readDetections = "read:detections"
	readIssues     = "read:issues"
	writeNotes     = "write:issue_comments"
	updateIssues   = "update:issues"
	// Defend is the licence that detections need.
	Defend = "licence:Wiz Defend"
)

// field answers one field at the top.
func (v *Vendor) field(s selection) (any, error) {
	at, known := map[string]struct {
		scope string
		serve func(map[string]any) (any, error)
	}{
		"detections": {readDetections, v.listDetections}, "issuesV2": {readIssues, v.listIssues}, "issue": {readIssues, v.getIssue},
		"createIssueNote": {writeNotes, v.createNote}, "deleteIssueNote": {writeNotes, v.deleteNote}, "updateIssue": {updateIssues, v.updateIssue},
	}[s.name]
	switch {
	case !known:
		return nil, &oops{"INTERNAL_SERVER_ERROR", "not in the lab"}
	case v.missing[at.scope]:
		return nil, &oops{"FORBIDDEN", "access denied, at least one of the following is required: [" + at.scope + "]"}
	case at.scope == readDetections && v.missing[Defend]:
		return nil, &oops{"FORBIDDEN", "this feature is not enabled by your license"}
	}
	return at.serve(s.args)
}

// cursor is the place of a page, good for its own list.
type cursor struct {
	Created time.Time `json:"c"`
	ID      string    `json:"i"`
	List    uint64    `json:"l"`
}

// item is what is listed.
type item struct {
	id      string
	created time.Time
	render  func() object
}

// connect makes one page of a list that is sorted upwards.
func connect(args map[string]any, items []item) (any, error) {
	n, err := number(args["first"], 500)
	if err != nil {
		return nil, err
	}
	order, _ := args["orderBy"].(map[string]any)
	if f := order["field"]; f != nil && f != "CREATED_AT" {
		return nil, badInput("the lab cannot sort by %v", f)
	}
	down := order["direction"] == "DESC"
	key := fnv.New64a()
	_ = json.NewEncoder(key).Encode([]any{args["filterBy"], args["filterScope"], order, args["enforceTimestampContinuity"]})
	from := cursor{}
	if after, _ := args["after"].(string); after != "" {
		raw, err := base64.StdEncoding.DecodeString(after)
		if err != nil || json.Unmarshal(raw, &from) != nil || from.ID == "" || from.List != key.Sum64() {
			return nil, badInput("invalid cursor")
		}
	}
	if down {
		slices.Reverse(items)
	}
	if from.ID != "" {
		items = slices.DeleteFunc(items, func(i item) bool {
			c := cmp.Or(i.created.Compare(from.Created), strings.Compare(i.id, from.ID))
			return !down && c <= 0 || down && c >= 0
		})
	}
	more := len(items) > n
	items = items[:min(n, len(items))]
	info := object{"hasNextPage": more, "endCursor": ""}
	if len(items) > 0 {
		last := items[len(items)-1]
		raw, err := json.Marshal(cursor{last.created, last.id, key.Sum64()})
		if err != nil {
			return nil, err
		}
		info["endCursor"] = base64.StdEncoding.EncodeToString(raw)
	}
	nodes := []object{}
	for _, i := range items {
		nodes = append(nodes, i.render())
	}
	return object{"nodes": nodes, "pageInfo": info, "totalCount": len(nodes)}, nil
}

func (v *Vendor) listDetections(args map[string]any) (any, error) {
	by, filtered := args["filterBy"].(map[string]any)
	if filtered && by["type"] == nil {
		by["type"] = map[string]any{"equals": []any{"GENERATED_THREAT"}} // the vendor's own surprise
	}
	created, err := within(by["createdAt"])
	if err != nil {
		return nil, err
	}
	updated, err := within(by["updatedAt"])
	if err != nil {
		return nil, err
	}
	for name, of := range by {
		if object, ok := of.(map[string]any); name != "issueId" && name != "createdAt" && name != "updatedAt" && (!ok || object["equals"] == nil) {
			return nil, badInput("%s must be an object with equals", name)
		}
	}
	ids, err := uuids(equal(by["id"]))
	if err != nil {
		return nil, err
	}
	types, severities, origins := equal(by["type"]), equal(by["severity"]), equal(by["origin"])
	var items []item
	for _, d := range v.detections {
		kind, of := "MATCH_ONLY", ""
		if d.issue != nil {
			kind, of = "GENERATED_THREAT", d.issue.id
		}
		if in(types, kind) && in(severities, d.severity) && in(origins, d.origin) && (ids == nil || ids[d.id]) &&
			(by["issueId"] == nil || by["issueId"] == of) && created(d.created) && updated(d.updated) {
			items = append(items, item{d.id, d.created, func() object { return v.renderDetection(d) }})
		}
	}
	return connect(args, items)
}

func (v *Vendor) listIssues(args map[string]any) (any, error) {
	by, _ := args["filterBy"].(map[string]any)
	created, err := within(by["createdAt"])
	if err != nil {
		return nil, err
	}
	changed, err := within(by["statusChangedAt"])
	if err != nil {
		return nil, err
	}
	list := by["id"]
	if one, ok := list.(string); ok {
		list = []any{one}
	}
	ids, err := uuids(list)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, i := range v.issues {
		if in(by["type"], i.kind) && in(by["status"], i.status) && in(by["severity"], i.severity) && (ids == nil || ids[i.id]) && created(i.created) && changed(i.changed) {
			items = append(items, item{i.id, i.created, func() object { return v.renderIssue(i) }})
		}
	}
	return connect(args, items)
}

func (v *Vendor) getIssue(args map[string]any) (any, error) {
	id, _ := args["id"].(string)
	i := v.byIssue[id]
	if i == nil {
		return nil, badInput("id must be a valid service issue id")
	}
	return v.renderIssue(i), nil
}

// equal is what stands below "equals".
func equal(v any) any {
	o, _ := v.(map[string]any)
	return o["equals"]
}

// in reports whether a list that is asked for has a value; none asks for nothing.
func in(list any, value string) bool {
	all, ok := list.([]any)
	return !ok || slices.Contains(all, any(value))
}

// uuids are ids that are asked for, nil for all. One that is none spoils the request.
func uuids(list any) (map[string]bool, error) {
	all, ok := list.([]any)
	if !ok {
		return nil, nil
	}
	out := map[string]bool{}
	for _, one := range all {
		id, _ := one.(string)
		if len(id) != 36 || strings.Count(id, "-") != 4 {
			return nil, badInput("id must be a valid UUID")
		}
		out[id] = true
	}
	if len(out) > 500 {
		return nil, badInput("at most 500 ids")
	}
	return out, nil
}

// within reads {after, before}: both are exclusive.
func within(v any) (func(time.Time) bool, error) {
	bounds, _ := v.(map[string]any)
	var times [2]time.Time
	for i, name := range []string{"after", "before"} {
		s, ok := bounds[name].(string)
		if !ok {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return nil, badInput("%s must be a valid date", name)
		}
		times[i] = at
	}
	return func(t time.Time) bool {
		return (times[0].IsZero() || t.After(times[0])) && (times[1].IsZero() || t.Before(times[1]))
	}, nil
}
