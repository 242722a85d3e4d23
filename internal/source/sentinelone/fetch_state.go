package sentinelone

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// activityUploaded is the activity of an agent that has uploaded a threat's file.
const activityUploaded = "86"

// activity is the part of a GET /activities item that edrc reads ([SPEC24]
// activities_ActivityViewSchema). What Data holds depends on the type, and may be
// anything; ids in it are numbers beyond 2^53.
type activity struct {
	ID        text            `json:"id"`
	Type      text            `json:"activityType"` // a number
	AgentID   text            `json:"agentId"`
	ThreatID  text            `json:"threatId"`
	CreatedAt stamp           `json:"createdAt"`
	UpdatedAt stamp           `json:"updatedAt"`
	Data      json.RawMessage `json:"data"`
}

// path is where an upload can be downloaded, as the console says it: it must be
// checked before it is used.
func (a activity) path() string {
	if p := lookup(a.Data, []string{"downloadUrl"}); p != "" {
		return p
	}
	return lookup(a.Data, []string{"filePath"}) // the same; of other activities, a path on the endpoint
}

// uploaded is the newest upload of a threat's file; path is "" when there is none.
type uploaded struct {
	path string
	date time.Time // of the reply
}

// lastUpload looks for the newest upload since a moment; zero is ever.
func (c *Client) lastUpload(ctx context.Context, threat string, since time.Time) (uploaded, error) {
	q := c.rest.scoped(1)
	q.Set("threatIds", threat)
	q.Set("activityTypes", activityUploaded)
	q.Set("sortBy", "createdAt")
	q.Set("sortOrder", "desc")
	if !since.IsZero() {
		q.Set("createdAt__gte", timeText(since))
	}
	const op = "look for the upload"
	p, err := c.rest.list(ctx, call{httpx.Request{Op: op, Path: "/activities", Query: q, Rate: rateActivities}, permActive}, "")
	if err != nil {
		return uploaded{}, err
	}
	for _, raw := range p.items {
		var a activity
		if err := json.Unmarshal(raw, &a); err != nil {
			return uploaded{}, c.rest.fault(fault.Unavailable, op, "an activity cannot be read: "+err.Error())
		}
		// A console that does not know a filter may ignore it. Another threat's file is never ours.
		ours := (a.ThreatID == "" || string(a.ThreatID) == threat) && (a.Type == "" || a.Type == activityUploaded)
		if ours && (a.CreatedAt.IsZero() || !a.CreatedAt.Before(since)) {
			return uploaded{path: a.path(), date: p.date}, nil
		}
	}
	return uploaded{date: p.date}, nil
}

// isUpload reports whether a path of a reply may be asked for, with the token: it is
// below /agents/, of plain segments, and nothing else.
func isUpload(path string) bool {
	rest, ok := strings.CutPrefix(path, "/agents/")
	if !ok || len(path) > 512 {
		return false
	}
	for segment := range strings.SplitSeq(rest, "/") {
		plain := strings.Trim(segment, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == ""
		if strings.Trim(segment, ".") == "" || !plain {
			return false
		}
	}
	return true
}

// reasonRefused is said of a threat whose agent is there and is not asked.
const reasonRefused = "the endpoint is online, but the console does not ask it for this file: it has none for this threat, or cannot fetch it"

// whyNot says why a file does not come: the endpoint is offline (unreachable), or
// there is no file to come (none).
func (c *Client) whyNot(ctx context.Context, threat string) (source.FetchState, string, error) {
	const op = "look at the endpoint"
	p, err := c.rest.list(ctx, threatList(op, url.Values{"ids": {threat}, "limit": {"1"}, "skipCount": {"true"}}), "")
	if err != nil {
		return "", "", err
	}
	if len(p.items) == 0 {
		return source.FetchNone, "the console does not have this threat any more", nil
	}
	var t struct {
		Agent agentRealtime `json:"agentRealtimeInfo"`
	}
	if err := json.Unmarshal(p.items[0], &t); err != nil {
		return "", "", c.rest.fault(fault.Unavailable, op, "the threat cannot be read: "+err.Error())
	}
	name := safe.Line(string(t.Agent.ComputerName))
	if name == "" {
		name = "the endpoint"
	}
	switch {
	case t.Agent.Decommissioned.Yes:
		return source.FetchUnreachable, name + " is decommissioned", nil
	case !t.Agent.IsActive.Known:
		return source.FetchUnreachable, "the console does not tell whether " + name + " is online", nil
	case !t.Agent.IsActive.Yes:
		return source.FetchUnreachable, name + " is offline", nil
	}
	return source.FetchNone, reasonRefused, nil
}
