package cli

import (
	"strings"
	"testing"

	"edrc/internal/lab"
)

func TestSeenFindsAFileAHostAndAFamilyAcrossProducts(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 150, Files: 12, Sources: 2}, true)
	all := d.objects(d.ok("alerts", "list", "--since", "4d", "--all", "-o", "ndjson", "--offline"))
	host := all[0]["host"].(map[string]any)["name"].(string)
	var hash, family string
	onHost, closed := 0, 0
	for _, a := range all {
		if strings.EqualFold(a["host"].(map[string]any)["name"].(string), host) {
			onHost++
		}
		if f, _ := a["files"].([]any); len(f) > 0 && a["status"] == "resolved" {
			if h, ok := f[0].(map[string]any)["sha1"].(string); ok && closed == 0 {
				hash, closed = h, closed+1
			}
		}
		if v, _ := a["verdict"].(map[string]any); v != nil && v["verdict"] == "malicious" && a["noted"] != nil {
			family, _ = v["family"].(string)
		}
	}
	d.everyFormat("seen", host)
	if got := d.objects(d.ok("seen", strings.ToLower(host), "--all", "-o", "ndjson")); len(got) != onHost || got[0]["match"] != "host" {
		t.Errorf("%d alerts on %s, want %d", len(got), host, onHost)
	}
	r := d.edrc("seen", family)
	if r.exit != 0 || !strings.Contains(r.err, "first seen ") || !strings.Contains(r.err, "in 2 sources") {
		t.Errorf("%s: %+v", family, r)
	}
	if got := d.objects(d.ok("seen", family, "-o", "ndjson")); got[0]["match"] != "family" || len(got) > 50 {
		t.Errorf("%v", got[0])
	}
	found := d.objects(d.ok("seen", hash, "--all", "-o", "ndjson"))
	want := 0
	for _, a := range all {
		if strings.Contains(mustText(t, a["files"]), hash) {
			want++
		}
	}
	if len(found) < want || !strings.Contains(mustText(t, found), `"resolved"`) {
		t.Errorf("%d alerts on %s, want at least %d, with the closed one", len(found), hash, want)
	}
	if n := len(d.items(d.ok("seen", hash, "--limit", "1", "-o", "json"))); n != 1 {
		t.Errorf("--limit 1 gave %d", n)
	}
	d.refused(5, "was never seen", "seen", "NO-SUCH-HOST")
	d.refused(5, "never seen", "seen", strings.Repeat("0f", 32))
	d.refused(2, "names nothing", "seen", "*")
	d.refused(5, `\x1b[2J`, "seen", "\x1b[2J")
}

func TestAVerdictIsShownWholeOnDemand(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 150, Files: 40}, true)
	shown := false
	for _, v := range d.items(d.ok("cache", "list", "--verdict", "malicious", "-o", "json")) {
		hash := v["hash"].(string)
		card := d.ok("scan", "show", hash)
		if !strings.Contains(card, hash) || strings.Contains(card, "http://") || strings.ContainsAny(card, "\x1b\r") {
			t.Errorf("%.600q", card)
		}
		shown = shown || strings.Contains(card, "hxxp://") && strings.Contains(card, "ttps") && strings.Contains(card, "genes shared with")
		if out := d.ok("scan", "show", hash, "-o", "json"); !strings.Contains(out, `"edrc.verdict/v1"`) {
			t.Errorf("%.200q", out)
		}
	}
	if !shown {
		t.Error("no card shows TTPs, code reuse and defanged indicators")
	}
	none := strings.Repeat("1e", 20)
	d.refused(5, "edrc scan hash "+none, "scan", "show", none)
	d.refused(2, "is not a hash", "scan", "show", "123")
}

func TestWhereAProductHasNoIncidentsItsAlertsAre(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 30, Files: 8, Sources: 2}, false)
	r := d.edrc("incidents", "list", "--since", "4d", "--limit", "5")
	if r.exit != 0 || !strings.Contains(r.err, "s1-lab: sentinelone has no incidents of its own") || !strings.Contains(r.err, "5 of 60 incidents") {
		t.Errorf("%+v", r)
	}
	d.everyFormat("incidents", "list", "--since", "4d")
	got := d.items(d.ok("incidents", "list", "--since", "4d", "--source", "s1-lab2", "-o", "json"))
	if len(got) != 30 || got[0]["own"] != false || len(got[0]["alerts"].([]any)) != 1 {
		t.Fatalf("%d %v", len(got), got[0])
	}
	ref := got[0]["ref"].(string)
	title := got[0]["title"].(string)
	for _, name := range []string{ref, strings.Replace(ref, ":", ":incident/", 1)} {
		if out := d.ok("incidents", "get", name); !strings.Contains(out, ref) {
			t.Errorf("%s: %s (%s)", name, out, title)
		}
	}
	d.refused(5, "no alert 42", "incidents", "get", "s1-lab:42")
	d.refused(2, "is not a REF", "incidents", "get", "42")
	d.refused(5, "no source", "incidents", "list", "--source", "nope")
	d.control("token", `{"source":"s1-lab","valid":false}`)
	if r := d.edrc("incidents", "list", "--since", "4d"); r.exit != 3 || !strings.Contains(r.out, "s1-lab2:") {
		t.Errorf("one source that fails took the other with it: %+v", r)
	}
}
