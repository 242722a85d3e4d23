package triage

import (
	"fmt"
	"strings"
	"time"

	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// FetchView is how far the getting of a file has come, for people.
type FetchView struct {
	Since   time.Time `json:"since,omitzero"` // our clock
	Attempt int       `json:"attempt,omitempty"`
	Tries   int       `json:"tries,omitempty"` // in a row that brought nothing
	InHand  bool      `json:"in_hand,omitempty"`
	Size    int64     `json:"size,omitempty"` // bytes, as they were counted
	Type    string    `json:"type,omitempty"`
}

func fetchView(f *ledger.Fetch) *FetchView {
	if f == nil || f.Since.IsZero() && !f.Kept {
		return nil
	}
	return &FetchView{Since: f.Since, Attempt: f.Attempt, Tries: f.Tries, InHand: f.Kept, Size: f.Size, Type: f.Type}
}

// Explain says in a sentence where a file without a verdict stands and what happens
// next; "" for a file that is judged, or that nobody asked about.
func (v FileView) Explain(now time.Time) string {
	text, next := v.stands()
	if text == "" {
		return ""
	}
	if v.Fetch != nil && !v.Fetch.Since.IsZero() && v.State == ledger.JobFetching {
		text += fmt.Sprintf(", asked for since %s", v.Fetch.Since.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if v.Fetch != nil && v.Fetch.InHand && v.State != ledger.JobFetching {
		text += "; the file is in hand, encrypted on the spool"
	}
	if v.NextTry.After(now) {
		layout := "15:04 UTC"
		if v.NextTry.Sub(now) > 12*time.Hour {
			layout = "2006-01-02 15:04 UTC"
		}
		text += ", next try " + v.NextTry.UTC().Format(layout)
	} else if next != "" {
		text += ": " + next
	}
	return text
}

// stands gives the state in words, and what comes next where no time is set for it.
func (v FileView) stands() (text, next string) {
	reason := v.Reason
	switch v.State {
	case "", ledger.JobJudged:
		return "", ""
	case ledger.JobWanted:
		if reason == "" {
			reason = "not asked yet"
		}
		return reason, "the next sync asks"
	case ledger.JobLookedUp:
		return "the engine has no analysis of ours", "the next sync has it scanned"
	case ledger.JobFetching:
		if reason == "" {
			reason = scan.ReasonFetching
		}
		return reason, "the next sync carries it on"
	case ledger.JobSubmitting:
		if reason == "" || reason == doubtful {
			return doubtful, "the next sync looks it up before it is sent again"
		}
		return doubtful + " (" + reason + ")", "the next sync looks it up before it is sent again"
	case ledger.JobAnalysing:
		return scan.ReasonRunning, "the next sync reads the result"
	case ledger.JobWaiting:
		return reason, "the next sync tries again"
	case ledger.JobWithheld:
		if strings.HasPrefix(reason, scan.ReasonPolicy) {
			return "withheld, " + reason, "allow it there, and the next sync uploads it"
		}
		return "withheld, " + reason, ""
	case ledger.JobFailed:
		return "given up, " + reason, "a new alert that names it, or edrc scan alert, starts again"
	}
	return string(v.State) + " " + reason, ""
}
