package ledger

import (
	"testing"
	"time"

	"edrc/internal/alert"
)

func TestAnIllegalMoveIsRefusedAndChangesNothing(t *testing.T) {
	a := &Alert{State: AlertGone, Reason: "purged"}
	if err := a.Move(AlertDone, ""); err == nil {
		t.Fatal("a gone alert became done")
	}
	if a.State != AlertGone || a.Reason != "purged" {
		t.Fatalf("a refused move changed the record to %q (%q)", a.State, a.Reason)
	}
	j := &Job{State: JobAnalysing}
	if err := j.Move(JobSubmitting, "", time.Time{}); err == nil {
		t.Fatal("a running analysis went back to submitting: it would be paid for twice")
	}
	e := &Effect{State: EffectDone}
	if err := e.Move(EffectSending, ""); err == nil {
		t.Fatal("a note that is there went back to sending: it would be posted twice")
	}
}

func TestAMarkerNamesContentNotTheAlert(t *testing.T) {
	subject := VerdictSubject("intezer", alert.Malicious, "aa")
	m := Marker(PurposeVerdict, subject)
	if len(m) != 16 {
		t.Fatalf("marker %q has %d digits, want 16", m, len(m))
	}
	if m != Marker(PurposeVerdict, subject) {
		t.Fatal("two machines would not agree on the marker")
	}
	if m == Marker(PurposeManual, subject) || m == Marker(PurposeVerdict, VerdictSubject("intezer", alert.Suspicious, "aa")) {
		t.Fatal("another purpose or class has the same marker")
	}
}

func TestAReleasedClaimStillFencesItsFormerHolder(t *testing.T) {
	now := time.Unix(1000, 0)
	c := Claim{}.Take("a", now.Add(time.Minute))
	if !c.Held(now) || c.Held(now.Add(2*time.Minute)) {
		t.Fatal("a claim is held until its time and not after")
	}
	next := c.Release().Take("b", now.Add(time.Minute))
	if next.Token == c.Token {
		t.Fatal("a new holder got the former holder's token")
	}
}

func TestQuotaLeftIsTheSmallerOfBudgetAndVendor(t *testing.T) {
	for _, tc := range []struct {
		name    string
		q       Quota
		budget  int
		want    int
		limited bool
	}{
		{"nothing known", Quota{Spent: 5}, 0, 0, false},
		{"budget only", Quota{Spent: 5}, 20, 15, true},
		{"vendor only", Quota{Known: true, Limit: 10, Usage: 4, Since: 1}, 0, 5, true},
		{"both", Quota{Spent: 1, Known: true, Limit: 10, Usage: 8}, 20, 2, true},
		{"unlimited plan", Quota{Known: true, Limit: -1}, 0, 0, false},
		{"overspent", Quota{Known: true, Limit: 10, Usage: 12}, 0, 0, true},
	} {
		if got, limited := tc.q.Left(tc.budget); got != tc.want || limited != tc.limited {
			t.Errorf("%s: %d, %v; want %d, %v", tc.name, got, limited, tc.want, tc.limited)
		}
	}
}

func TestVerdictAgeDoesNotCompareTwoClocks(t *testing.T) {
	learned := time.Unix(5000, 0) // our clock, an hour behind the engine's
	v := VerdictRecord{Learned: learned, AgeThen: 2 * time.Hour}
	if got := v.Age(learned.Add(time.Hour)); got != 3*time.Hour {
		t.Fatalf("age %v, want 3h", got)
	}
	if got := v.Age(learned.Add(-time.Hour)); got != 2*time.Hour {
		t.Fatalf("a clock set back gives age %v, want 2h", got)
	}
}
