package cortex

import (
	"testing"

	"edrc/internal/alert"
)

func TestEveryWordOfTheTablesIsMappedAsTheySay(t *testing.T) {
	for _, m := range Severities() {
		if want, err := alert.ParseSeverity(m.Ours); err != nil || severityOf(m.Vendor) != want {
			t.Errorf("severity %q: %s, %v", m.Vendor, severityOf(m.Vendor), err)
		}
	}
	for _, m := range Statuses() {
		if got := statusOf(m.Vendor); string(got) != m.Ours {
			t.Errorf("status %q: %s, want %s", m.Vendor, got, m.Ours)
		}
	}
	for _, m := range Verdicts() {
		if got := verdictOf(m.Vendor); got != m.Ours || statusOf(m.Vendor) != alert.StatusResolved {
			t.Errorf("verdict %q: %q, want %q", m.Vendor, got, m.Ours)
		}
	}
}

func TestTheVendorsOtherSpellingsAreUnderstood(t *testing.T) {
	for word, want := range map[string]struct {
		status  alert.Status
		verdict string
	}{
		"STATUS_010_NEW": {alert.StatusNew, ""}, "STATUS_020_UNDER_INVESTIGATION": {alert.StatusInProgress, ""},
		"STATUS_060_RESOLVED_FALSE_POSITIVE": {alert.StatusResolved, "false_positive"}, "STATUS_090_TRUE_POSITIVE": {alert.StatusResolved, "true_positive"},
		"STATUS_100_SECURITY_TESTING": {alert.StatusResolved, "security_testing"}, "STATUS_080_RESOLVED_AUTO": {alert.StatusResolved, ""},
		"resolved_duplicate_incident": {alert.StatusResolved, "duplicate"}, "Resolved - Duplicate Issue": {alert.StatusResolved, "duplicate"},
		"resolved_threat_handled": {alert.StatusResolved, ""}, "STATUS_300_RESOLVED_BY_MAGIC": {alert.StatusResolved, ""},
		"": {alert.StatusNew, ""}, "Waiting for Bob": {alert.StatusNew, ""}, "unresolved": {alert.StatusNew, ""},
	} {
		if statusOf(word) != want.status || verdictOf(word) != want.verdict {
			t.Errorf("%q: %s %q", word, statusOf(word), verdictOf(word))
		}
	}
	for word, want := range map[string]alert.Severity{"SEV_030_MEDIUM": alert.Medium, "HIGH": alert.High, "sev_050_critical": alert.Critical, "awful": alert.Unrated, "": alert.Unrated} {
		if got := severityOf(word); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
}

func TestAnActionIsOverOnlyWhenItSaysSo(t *testing.T) {
	for word, want := range map[string]actionState{
		"": actionPending, "PENDING": actionPending, "IN_PROGRESS": actionPending, "PENDING_ABORT": actionPending, "SOMETHING_NEW": actionPending,
		"COMPLETED_SUCCESSFULLY": actionDone, "COMPLETED_PARTIAL": actionDone, "FAILED": actionFailed, "TIMEOUT": actionOver, "EXPIRED": actionOver,
		"CANCELLED": actionOver, "CANCELED": actionOver, "ABORTED": actionOver,
	} {
		if got := actionStateOf(word); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
}
