// Package scan answers "is this file bad?" at the least cost: what is remembered
// first, then what the engine already knows, and a paid analysis last and once,
// within the quota. One [Job] at a time is carried through the ladder by
// [Scanner.Step]; its state is in the store, so any process can take the next step.
package scan

import (
	"context"
	"io"
	"time"

	"edrc/internal/alert"
)

// Engine analyses files. Intezer is the one there is.
type Engine interface {
	// Name is what notes call the engine: "intezer".
	Name() string
	// Scope is Name and the base URL: verdicts of one cloud are not another's.
	Scope() string
	// Lookup finds our own organisation's newest analysis of a file; it never costs.
	// No analysis, or an expired one, is fault.NotFound.
	Lookup(ctx context.Context, h alert.Hash) (Analysis, error)
	// Submit asks for an analysis of a file that the engine holds. It costs quota
	// when the outcome is Accepted. fault.InDoubt: it may have been accepted.
	Submit(ctx context.Context, h alert.Hash) (Submission, error)
	// Poll reads a running analysis by its id; free.
	Poll(ctx context.Context, id string) (Analysis, error)
	// Detail completes a finished analysis: family, genes, metadata, indicators,
	// techniques. What the engine or the plan does not have is left empty.
	Detail(ctx context.Context, a Analysis) (alert.Verdict, error)
	// Quota reads the allowance. A plan that does not tell is Known false.
	Quota(ctx context.Context) (Allowance, error)
}

// Upload is a file on its way to the engine. Open gives its bytes from the start,
// as often as it is asked: a request may be replayed.
type Upload struct {
	Name     string // shown by the engine; the archive's own name never is
	Open     func() (io.ReadCloser, error)
	Size     int64  // bytes that Open gives
	Password string // of the archive; "" for a plain file
}

// Uploader is an engine that takes files. The outcome is as Submit's, but NotHeld
// is impossible. Unsupported tells a type or size that is never taken.
type Uploader interface {
	SubmitFile(ctx context.Context, u Upload) (Submission, error)
	// MaxUpload is the most bytes that a file may have.
	MaxUpload() int64
}

// AnalysisState is where an analysis stands.
type AnalysisState string

// The states of an analysis.
const (
	Running   AnalysisState = "running"
	Succeeded AnalysisState = "succeeded"
	Failed    AnalysisState = "failed"
	Vanished  AnalysisState = "vanished" // unknown id or expired: analyse again
)

// Analysis is one analysis as the engine gives it.
type Analysis struct {
	ID      string
	State   AnalysisState
	Verdict alert.Verdict // Class, SubVerdict, Family, SHA256, URL, Analysed; details are Detail's
	// Date is the engine's clock at the reply, for the analysis' age; zero unknown.
	Date time.Time
	// Reason of Failed, as the engine says it.
	Reason string
	// RetryAfter is how long the engine asks to wait before the next poll, 0 unsaid.
	RetryAfter time.Duration
	// Private is false when the reply was not our own organisation's although only
	// that was asked for: a proxy may have dropped the request's body.
	Private bool
}

// Outcome is what became of a Submit.
type Outcome string

// The outcomes. Only Accepted costs.
const (
	Accepted       Outcome = "accepted"        // Submission.ID runs
	AlreadyRunning Outcome = "already running" // Submission.ID runs; "" when the engine did not say which
	SkippedByRule  Outcome = "skipped by rule" // the account excludes this file, for good
	NotHeld        Outcome = "not held"        // the engine has no such file: it must be uploaded
	Unsupported    Outcome = "unsupported"     // a type or size it never analyses
)

// Submission is the engine's answer to Submit. An exhausted quota is an error of
// kind fault.Quota, a missing plan feature fault.Denied.
type Submission struct {
	Outcome Outcome
	ID      string
	Reason  string
}

// Allowance is the engine's quota for file scans. Limit < 0 is unlimited.
type Allowance struct {
	Known bool
	Limit int64
	Usage int64
	Type  string // "monthly"
}

// Left gives what remains; the second result is false when it is unlimited or unknown.
func (a Allowance) Left() (int64, bool) {
	if !a.Known || a.Limit < 0 {
		return 0, false
	}
	return max(0, a.Limit-a.Usage), true
}
