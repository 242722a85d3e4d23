package ledger

import (
	"fmt"
	"slices"
	"time"

	"edrc/internal/alert"
)

// JobState is where the judging of one file stands.
type JobState string

// The states of a file job.
const (
	JobWanted     JobState = "wanted"     // nothing asked yet
	JobLookedUp   JobState = "looked_up"  // the engine has no usable analysis of ours
	JobFetching   JobState = "fetching"   // a product is getting the file (Fetch)
	JobSubmitting JobState = "submitting" // a paid request may be on its way
	JobAnalysing  JobState = "analysing"  // the engine works on it (AnalysisID)
	JobJudged     JobState = "judged"     // a verdict is stored
	JobWaiting    JobState = "waiting"    // for Reason, until NextTry
	JobWithheld   JobState = "withheld"   // may not be sent, for Reason
	JobFailed     JobState = "failed"     // given up after Attempts
)

var jobMoves = map[JobState][]JobState{
	"":            {JobWanted},
	JobWanted:     {JobLookedUp, JobJudged, JobWaiting, JobFailed, JobWithheld},
	JobLookedUp:   {JobFetching, JobSubmitting, JobJudged, JobWaiting, JobWithheld, JobFailed, JobWanted},
	JobFetching:   {JobSubmitting, JobWaiting, JobWithheld, JobFailed, JobJudged, JobWanted},
	JobSubmitting: {JobAnalysing, JobJudged, JobWaiting, JobWithheld, JobFailed, JobWanted, JobFetching},
	JobAnalysing:  {JobJudged, JobWanted, JobWaiting, JobFailed},
	JobWaiting:    {JobWanted, JobLookedUp, JobFetching, JobSubmitting, JobJudged, JobFailed, JobWithheld},
	JobJudged:     {JobWanted}, // the verdict outlived its life
	JobWithheld:   {JobWanted, JobJudged},
	JobFailed:     {JobWanted, JobJudged},
}

// JobKey names a file job. Engine is the engine's scope: its name and base URL,
// so that two clouds never share a verdict.
type JobKey struct {
	Engine string     `json:"engine"`
	Hash   alert.Hash `json:"hash"`
}

// Rank orders jobs by how well their hash identifies the file: 0 SHA-256, 1
// SHA-1, 2 MD5. A lower rank is submitted first, because its reply tells the
// other hashes; then one file under three hashes is paid for once.
func (k JobKey) Rank() int {
	switch k.Hash.Algo() {
	case alert.SHA256:
		return 0
	case alert.SHA1:
		return 1
	}
	return 2
}

// Job is the judging of one file, however many alerts want it.
type Job struct {
	Key      JobKey         `json:"key"`
	Claimed  alert.Hashes   `json:"claimed"` // what alerts say; a hint only
	Name     string         `json:"name,omitempty"`
	State    JobState       `json:"state"`
	Reason   string         `json:"reason,omitempty"`
	NextTry  time.Time      `json:"next_try,omitzero"`  // our clock; zero is now
	Priority alert.Severity `json:"priority"`           // the highest severity among the alerts that want it
	Attempts int            `json:"attempts,omitempty"` // polls or troubles in this state
	Failures int            `json:"failures,omitempty"` // analyses that failed
	// AnalysisID is the running or finished analysis.
	AnalysisID string    `json:"analysis_id,omitempty"`
	Submitted  time.Time `json:"submitted,omitzero"`
	// Reserved is the quota day of a reservation that is not yet settled ("" none).
	Reserved string `json:"reserved,omitempty"`
	// Paid says that the running analysis was paid for by us.
	Paid    bool      `json:"paid,omitempty"`
	Claim   Claim     `json:"claim,omitzero"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
	// From says where the verdict came from, once judged.
	From Origin `json:"from,omitempty"`
	// Behind: it has to let files with stronger hashes go first, whatever its priority.
	Behind bool `json:"behind,omitempty"`
	// MaxAge, when positive, asks for a verdict no older than that.
	MaxAge time.Duration `json:"max_age,omitempty"`
	// Fetch is the getting of the file's bytes; nil when nothing needs them.
	Fetch *Fetch `json:"fetch,omitempty"`
}

// Kept reports whether the file's archive waits on the spool.
func (j *Job) Kept() bool { return j.Fetch != nil && j.Fetch.Kept }

// Origin says where a verdict came from, and so what it cost.
type Origin string

// The origins; only a scan costs quota.
const (
	Remembered Origin = "remembered"
	LookedUp   Origin = "looked up"
	Scanned    Origin = "scanned"
)

// Move changes the state; an illegal transition is an error and changes nothing.
func (j *Job) Move(to JobState, reason string, next time.Time) error {
	if j.State != to && !slices.Contains(jobMoves[j.State], to) {
		return fmt.Errorf("file %s: %q cannot become %q", j.Key.Hash, j.State, to)
	}
	j.State, j.Reason, j.NextTry = to, reason, next
	j.Behind = false
	return nil
}

// Urgency orders due jobs, highest first: by priority, and those that must let
// others go first after all of these.
func (j *Job) Urgency() int {
	if j.Behind {
		return 0
	}
	return 1 + int(j.Priority)
}

// Terminal reports whether nothing more will happen to the job by itself.
func (j *Job) Terminal() bool {
	return j.State == JobJudged || j.State == JobWithheld || j.State == JobFailed
}

// Active reports whether the engine may be about to be paid for this file, or is
// working on it.
func (j *Job) Active() bool {
	switch j.State {
	case JobWanted, JobLookedUp, JobSubmitting, JobAnalysing:
		return true
	}
	return false
}

// Due gives when the job may be worked on next: its next try, or the end of a
// claim that somebody else holds. A zero time is now.
func (j *Job) Due() time.Time {
	if j.Claim.Holder != "" && j.Claim.Until.After(j.NextTry) {
		return j.Claim.Until
	}
	return j.NextTry
}

// VerdictRecord is a remembered verdict. Age is measured without comparing our
// clock with the engine's: AgeThen is how old the analysis was by the engine's
// clock when we learned it at Learned, ours.
type VerdictRecord struct {
	Engine  string        `json:"engine"` // the scope, as in JobKey
	Verdict alert.Verdict `json:"verdict"`
	Learned time.Time     `json:"learned"`
	AgeThen time.Duration `json:"age_then,omitempty"`
	By      string        `json:"by,omitempty"` // "sync", "scan hash": who asked
}

// Key gives the hash that the verdict is filed under: the engine's SHA-256 where
// it told one.
func (v *VerdictRecord) Key() JobKey { return JobKey{v.Engine, v.Verdict.Best()} }

// Age gives how old the analysis is at now.
func (v *VerdictRecord) Age(now time.Time) time.Duration {
	return v.AgeThen + max(0, now.Sub(v.Learned))
}
