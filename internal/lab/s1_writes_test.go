package lab

import (
	"slices"
	"testing"
	"time"
)

type changeAnswer struct {
	Data struct {
		Affected int
		Details  []struct{ ThreatID, Result, AnalystVerdict string }
	}
}

func TestIncidentChangesStatusAndVerdictOnce(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 60, Now: c.Now})
	id := w.threats("incidentStatuses=unresolved&limit=1").ids()[0]
	body := map[string]any{
		"data":   map[string]string{"incidentStatus": "resolved", "analystVerdict": "false_positive"},
		"filter": map[string]any{"ids": []string{id}},
	}
	c.advance(time.Minute)
	var first, second changeAnswer
	w.s1(200, "POST", "/threats/incident", body).decode(t, &first)
	w.s1(200, "POST", "/threats/incident", body).decode(t, &second)
	if d := first.Data; d.Affected != 1 || d.Details[0].ThreatID != id || d.Details[0].Result != "updated" || d.Details[0].AnalystVerdict != "updated" {
		t.Errorf("first: %+v", d)
	}
	if d := second.Data; d.Affected != 0 || d.Details[0].Result != "already_set" || d.Details[0].AnalystVerdict != "already_set" {
		t.Errorf("second: %+v", d)
	}
	i := w.threats("ids=" + id).Data[0].ThreatInfo
	if i.IncidentStatus != "resolved" || i.AnalystVerdict != "false_positive" || !i.UpdatedAt.Equal(c.Now()) {
		t.Errorf("threat %+v", i)
	}
	w.s1(400, "POST", "/threats/incident", map[string]any{"data": map[string]string{"incidentStatus": "closed"}, "filter": body["filter"]})
	w.s1(400, "POST", "/threats/incident", map[string]any{"data": body["data"], "filter": map[string]any{}})
}

func TestVerdictAlone(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	id := w.threats("analystVerdicts=undefined&limit=1").ids()[0]
	var out changeAnswer
	w.s1(200, "POST", "/threats/analyst-verdict", map[string]any{
		"data": map[string]string{"analystVerdict": "suspicious"}, "filter": map[string]any{"ids": []string{id}},
	}).decode(t, &out)
	if out.Data.Affected != 1 || w.threats("ids=" + id).Data[0].ThreatInfo.AnalystVerdict != "suspicious" {
		t.Errorf("%+v", out)
	}
}

func TestFetchFileNeedsAnOnlineAgentAndAStrongPassword(t *testing.T) {
	w := newWorld(t, Options{Alerts: 200})
	for _, online := range []string{"true", "false"} {
		id := w.threats("limit=1&agentIsActive=" + online).ids()[0]
		body := func(password string) any {
			return map[string]any{"data": map[string]string{"password": password}, "filter": map[string]any{"ids": []string{id}}}
		}
		var out changeAnswer
		w.s1(200, "POST", "/threats/fetch-file", body("Infected_1234")).decode(t, &out)
		if (out.Data.Affected == 1) != (online == "true") {
			t.Errorf("online %s: affected %d", online, out.Data.Affected)
		}
		w.s1(400, "POST", "/threats/fetch-file", body("infected"))
	}
	var p threatPage
	w.s1(200, "GET", "/activities?activityTypes=86&threatIds=1&sortBy=createdAt&sortOrder=desc&limit=1", nil).decode(t, &p)
	if p.Data == nil || len(p.Data) != 0 {
		t.Errorf("activities %+v", p)
	}
	w.s1(400, "GET", "/activities?types=86", nil)
}

func TestIsolationIsSeenOnlyAtTheSecondLook(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10})
	agent := func(name string) string {
		var p struct {
			Data []struct{ ID, NetworkStatus string }
		}
		w.s1(200, "GET", "/agents?computerName="+name, nil).decode(t, &p)
		if len(p.Data) != 1 {
			t.Fatalf("%d agents are named %s", len(p.Data), name)
		}
		return p.Data[0].NetworkStatus
	}
	hosts := w.lab.consoles[0].hosts
	on := hosts[slices.IndexFunc(hosts, func(h *host) bool { return h.online })]
	off := hosts[slices.IndexFunc(hosts, func(h *host) bool { return !h.online })]
	act := func(verb string, want int, ids ...string) {
		var out changeAnswer
		w.s1(200, "POST", "/agents/actions/"+verb, map[string]any{"filter": map[string]any{"ids": ids}, "data": map[string]any{}}).decode(t, &out)
		if out.Data.Affected != want {
			t.Errorf("%s: affected %d, want %d", verb, out.Data.Affected, want)
		}
	}
	act("disconnect", 2, on.id, off.id, "123")
	for _, want := range []string{"disconnecting", "disconnected", "disconnected"} {
		if got := agent(on.name); got != want {
			t.Errorf("online agent: %s, want %s", got, want)
		}
		if got := agent(off.name); got != "disconnecting" {
			t.Errorf("offline agent: %s", got)
		}
	}
	if got := w.lab.State().Sources["s1-lab"].Isolated; !slices.Equal(got, []string{on.name}) {
		t.Errorf("isolated %v, want %s", got, on.name)
	}
	act("connect", 1, on.id)
	for _, want := range []string{"connecting", "connected"} {
		if got := agent(on.name); got != want {
			t.Errorf("released agent: %s, want %s", got, want)
		}
	}
	w.s1(400, "POST", "/agents/actions/disconnect", map[string]any{"filter": map[string]any{}, "data": map[string]any{}})
	w.s1(400, "POST", "/agents/actions/disconnect", map[string]any{"filter": map[string]any{"tenant": true}, "data": map[string]any{}})
	w.s1(400, "GET", "/agents?hostname=x", nil)
}

func TestTokenDetailsSayWhenTheTokenEnds(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10})
	var out struct {
		Data struct{ CreatedAt, ExpiresAt time.Time }
	}
	w.s1(200, "POST", "/users/api-token-details", map[string]any{"data": map[string]string{"apiToken": w.token}}).decode(t, &out)
	if !out.Data.ExpiresAt.After(time.Now()) || !out.Data.CreatedAt.Before(time.Now()) {
		t.Errorf("%+v", out.Data)
	}
}
