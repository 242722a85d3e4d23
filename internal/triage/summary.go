package triage

import (
	"sync"
	"time"
)

// SourceSummary is what a sync did for one source. Counts are of alerts or notes.
type SourceSummary struct {
	Source      string `json:"source"`
	Alerts      int    `json:"alerts"`  // distinct ones that were read
	New         int    `json:"new"`     // never seen before
	Changed     int    `json:"changed"` // judged again because their facts changed
	Skipped     int    `json:"skipped"` // of the new and changed ones
	Notes       int    `json:"notes"`   // posted now
	Found       int    `json:"found"`   // were there already
	Refused     int    `json:"refused"`
	Doubts      int    `json:"doubts"` // outcomes unknown, read again later
	Repaired    int    `json:"repaired"`
	Quarantined int    `json:"quarantined"`
	Late        int    `json:"late"` // found by the daily comparison only
	Error       string `json:"error,omitempty"`
	Partial     bool   `json:"partial,omitempty"` // Error is about some of its streams, and the others were read
	Busy        string `json:"busy,omitempty"`    // another process is reading it

	mu *sync.Mutex
}

func newSourceSummary(name string) *SourceSummary {
	return &SourceSummary{Source: name, mu: &sync.Mutex{}}
}

func (s *SourceSummary) add(fn func(*SourceSummary)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s)
}

// Summary is what a sync did, and what it left.
type Summary struct {
	Sources     []*SourceSummary `json:"sources"`
	Alerts      int              `json:"alerts"` // distinct alerts in the window that sync looked at
	New         int              `json:"new"`
	Files       int              `json:"files"` // judged now or waiting
	Remembered  int              `json:"remembered"`
	LookedUp    int              `json:"looked_up"`
	Scanned     int              `json:"scanned"`
	Uploaded    int              `json:"uploaded"` // of the scanned ones, because the engine did not hold them
	Failed      int              `json:"failed"`
	Notes       int              `json:"notes"`
	NotesDue    int              `json:"notes_due"` // queued, in doubt or not sent yet
	Waiting     map[string]int   `json:"waiting"`   // files, by reason
	Skipped     map[string]int   `json:"skipped"`   // new alerts, by reason
	Quarantined int              `json:"quarantined"`
	ScansSpent  int              `json:"scans_spent"`
	ScansSaved  int              `json:"scans_saved"`
	ScansPriced int              `json:"scans_priced,omitempty"` // what a dry run would have spent
	QuotaLeft   *int             `json:"quota_left,omitempty"`   // null: unlimited or unknown
	QuotaLimit  *int64           `json:"quota_limit,omitempty"`
	QuotaShort  bool             `json:"quota_short,omitempty"` // files wait because the quota is used up
	Stopped     string           `json:"stopped,omitempty"`     // "interrupted", "max-runtime"
	DryRun      bool             `json:"dry_run,omitempty"`
	Seconds     float64          `json:"seconds"`

	Errors []SourceError `json:"-"`
	Took   time.Duration `json:"-"`
}
