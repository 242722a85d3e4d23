package wiz

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// found are findings of every vendor, an hour apart, back from now.
func found(now time.Time) []world.Finding {
	var out []world.Finding
	for i := range 40 {
		at := now.Add(-time.Duration(i) * 2 * time.Hour)
		out = append(out,
			world.Finding{Product: "aws", ID: fmt.Sprintf("%032x", i), Title: "Execution:EC2/MaliciousFile", Severity: "high", Created: at, File: -1,
				Host: "web-1", Account: "111122223333", Region: "eu-central-1", Instance: "i-0123456789abcdef0"},
			world.Finding{Product: "falcon", ID: fmt.Sprintf("%032x:ind:a:%d", i, i), Title: "Known malware executed", Severity: "info", Created: at, File: 1, Host: "srv-anna", User: "anna"},
			world.Finding{Product: "s1", ID: fmt.Sprint(1_700_000_000_000_000_000 + i), Title: "x detected as Trojan", Severity: "medium", Created: at, File: 0, Host: "srv-elif", User: "elif"})
	}
	return out
}

func TestAFindingOfAnotherVendorIsToldAgainOnce(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	o := world.Options{Seed: 3, Alerts: 200, Now: func() time.Time { return now }, Files: []world.File{{Name: "a.bin"}, {Name: "b.bin"}}, Findings: found(now)}
	v := New(o)
	left := map[string]world.Finding{}
	for _, f := range found(now) {
		left[f.ID] = f
	}
	seen := map[string]int{}
	for _, d := range v.detections {
		f, is := left[d.native]
		if !is {
			if d.title != "" {
				t.Errorf("%s: a title without a finding, or a finding told twice: %q", d.id, d.native)
			}
			continue
		}
		delete(left, d.native)
		seen[d.origin]++
		if severity := strings.ToUpper(strings.Replace(f.Severity, "info", "informational", 1)); d.severity != severity || !f.Created.Before(d.created) || d.machine.name != f.Host || d.file != f.File {
			t.Errorf("%s: %+v does not tell %+v", d.id, d, f)
		}
		if i := d.issue; i != nil && rank(i.severity) < rank(d.severity) {
			t.Errorf("%s: the threat is rated %s, below its detection", d.id, i.severity)
		}
	}
	for _, origin := range []string{"AWS_GUARD_DUTY", "WIN_CROWD_STRIKE", "WIN_SENTINEL_ONE"} {
		if seen[origin] == 0 {
			t.Errorf("nothing of %s is told again", origin)
		}
	}
	if len(o.Findings) != 120 || o.Findings[0].ID != found(now)[0].ID {
		t.Error("the findings that were given are changed")
	}
}

func TestWithoutOthersTheTenantIsTheSameAsEver(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	o := world.Options{Seed: 3, Alerts: 50, Now: func() time.Time { return now }}
	alone := New(o)
	o.Findings = found(now)
	beside := New(o)
	for i, d := range alone.detections {
		if other := beside.detections[i]; d.id != other.id || !d.created.Equal(other.created) {
			t.Fatalf("%d: %s at %s, and %s at %s", i, d.id, d.created, other.id, other.created)
		}
		if d.title != "" || strings.HasPrefix(d.origin, "WIN_") {
			t.Errorf("%s tells of %s", d.id, d.origin)
		}
	}
}

func TestTheRecordOfTheOriginHasItsID(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Seed: 3, Alerts: 100, Now: func() time.Time { return now }, Findings: found(now)})
	data, message, _ := u.ask(`query D { detections(first: 100) { nodes { origins triggeringEvents(first: 1) { nodes { ... on CloudEvent { rawAuditLogRecord } } } } } }`, nil)
	if message != "" {
		t.Fatal(message)
	}
	text := fmt.Sprint(data)
	for _, want := range []string{"composite_id:", "threatInfo:map[threatId:17", "finding/0000"} {
		if !strings.Contains(text, want) {
			t.Errorf("no detection has %q", want)
		}
	}
}
