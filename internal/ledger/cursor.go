package ledger

import (
	"time"

	"edrc/internal/alert"
)

// CursorKey names one feed of one source: By is "created" or "updated".
type CursorKey struct {
	Source alert.SourceID `json:"source"`
	Stream string         `json:"stream"`
	By     string         `json:"by"`
}

// Cursor is how far a feed has been read. All times are the vendor's clock.
type Cursor struct {
	CursorKey
	// Watermark: everything before it has been read. Zero: never read.
	Watermark time.Time `json:"watermark,omitzero"`
	// Pass is a read in progress, nil between passes.
	Pass *Pass `json:"pass,omitempty"`
}

// Pass is one read of [From, To], committed page by page so that a crash resumes.
type Pass struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Windows []Span    `json:"windows"`         // what is left, the current one first
	Token   string    `json:"token,omitempty"` // the next page of the current window
	Alerts  int       `json:"alerts,omitempty"`
}

// Span is a closed interval of vendor time.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Lease is the right to pull one source.
type Lease struct {
	Name string `json:"name"`
	Claim
}

// Quota is what an engine may still be paid for. Day is UTC, "2006-01-02".
type Quota struct {
	Engine string `json:"engine"`
	Day    string `json:"day"`
	Spent  int    `json:"spent"` // scans reserved or spent by edrc on Day
	// Vendor's own count, when it told: Limit < 0 is unlimited.
	Known bool      `json:"known,omitempty"`
	Limit int64     `json:"limit,omitempty"`
	Usage int64     `json:"usage,omitempty"`
	Type  string    `json:"type,omitempty"` // "monthly"
	At    time.Time `json:"at,omitzero"`    // when it told, our clock
	Since int       `json:"since,omitempty"`
	// ClosedUntil is set while the breaker is open: no submits before it.
	ClosedUntil time.Time `json:"closed_until,omitzero"`
	Reason      string    `json:"reason,omitempty"`
}

// Left gives how many scans may still be spent now, given the daily budget (0 is
// none set). The second result is false when nothing limits them.
func (q *Quota) Left(budget int) (int, bool) {
	left, limited := 0, false
	if budget > 0 {
		left, limited = max(0, budget-q.Spent), true
	}
	if q.Known && q.Limit >= 0 {
		v := int(max(0, q.Limit-q.Usage-int64(q.Since)))
		if !limited || v < left {
			left = v
		}
		limited = true
	}
	return left, limited
}

// Quarantined is something set aside for a person to look at.
type Quarantined struct {
	ID     string         `json:"id"` // "Q-" + 8 characters, stable for the same trouble
	Source alert.SourceID `json:"source"`
	Name   string         `json:"name"`
	What   string         `json:"what"`  // "alert" or "note"
	Alert  string         `json:"alert"` // the alert's ID when it could be read
	Reason string         `json:"reason"`
	At     time.Time      `json:"at"`
	Count  int            `json:"count"`
}
