package scan

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// Store is what a Scanner remembers with. Update runs fn in one transaction,
// perhaps more than once; records is how many it will write.
type Store interface {
	View(ctx context.Context, fn func(ledger.Tx) error) error
	Update(ctx context.Context, records int, fn func(ledger.Tx) error) error
}

// Policy is how a Scanner spends and how long it believes.
type Policy struct {
	// Life is how long a verdict of a class is believed; see [DefaultLife].
	Life map[alert.Class]time.Duration
	// DailyBudget is the most scans a UTC day; 0 is no limit of ours.
	DailyBudget int
	// ReservePercent of what may be spent is kept for high severity and above.
	ReservePercent int
	// MaxScans is the most scans this process may spend; 0 is no limit.
	MaxScans int
	// PollBase and PollMax bound the wait between two polls of one analysis.
	PollBase, PollMax time.Duration
	// RetryBase is the first wait after trouble with the engine; it doubles.
	RetryBase time.Duration
	// ClaimFor is how long a step may take before another process may take over.
	ClaimFor time.Duration
	// GiveUp is how long an analysis may run before it counts as failed.
	GiveUp time.Duration
	// DryRun looks things up, and stops before anything that costs.
	DryRun bool
}

// DefaultLife is how long a verdict is believed, by class.
func DefaultLife() map[alert.Class]time.Duration {
	const day = 24 * time.Hour
	return map[alert.Class]time.Duration{
		alert.Malicious: 90 * day, alert.Trusted: 30 * day, alert.NotSupported: 30 * day,
		alert.Suspicious: 7 * day, alert.Neutral: 7 * day, alert.NoThreats: 7 * day,
		alert.Unknown: day, alert.ClassFailed: 10 * time.Minute,
	}
}

// withDefaults fills what is zero.
func (p Policy) withDefaults() Policy {
	if p.Life == nil {
		p.Life = DefaultLife()
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&p.PollBase, 5*time.Second)
	set(&p.PollMax, 30*time.Second)
	set(&p.RetryBase, 15*time.Second)
	set(&p.ClaimFor, 2*time.Minute)
	set(&p.GiveUp, 30*time.Minute)
	return p
}

// Scanner carries file jobs through the ladder. It is safe for concurrent use.
type Scanner struct {
	engine Engine
	store  Store
	policy Policy
	holder string
	now    func() time.Time
	warn   func(string)

	fetching *Fetching // nil: files are not fetched

	granted atomic.Int64 // scans this process may be paying for, or has
	taken   sync.Map     // job keys whose grant is not settled yet
	spent   atomic.Int64 // scans this process has paid for

	uploaded atomic.Int64 // of these, files that it uploaded
	priced   atomic.Int64 // scans a dry run would have paid for
	warned   atomic.Bool

	line   sync.Mutex
	inLine map[ledger.JobKey]alert.Severity // files that let stronger hashes go first; some may be through
}

// New makes a Scanner. holder names this process to others; warn is told, once,
// what a person should know (nil: nobody).
func New(e Engine, s Store, p Policy, holder string, now func() time.Time, warn func(string)) *Scanner {
	if warn == nil {
		warn = func(string) {}
	}
	return &Scanner{engine: e, store: s, policy: p.withDefaults(), holder: holder, now: now, warn: warn,
		inLine: map[ledger.JobKey]alert.Severity{}}
}

// Engine gives the engine's name, as notes call it.
func (s *Scanner) Engine() string { return s.engine.Name() }

// Report asks the engine for all that it knows of a remembered verdict; nil when it
// tells no more.
func (s *Scanner) Report(ctx context.Context, v *ledger.VerdictRecord, parts int) (*Report, error) {
	r, ok := s.engine.(Reporter)
	if !ok || v.Verdict.AnalysisID == "" {
		return nil, nil
	}
	report, err := r.Report(ctx, v.Verdict.AnalysisID, parts)
	return &report, err
}

// Scope gives the engine's scope, as job keys have it.
func (s *Scanner) Scope() string { return s.engine.Scope() }

// Spent gives how many scans this process has paid for.
func (s *Scanner) Spent() int { return int(s.spent.Load()) }

// Uploaded gives how many of these were files that this process uploaded.
func (s *Scanner) Uploaded() int { return int(s.uploaded.Load()) }

// Priced gives how many scans a dry run would have paid for.
func (s *Scanner) Priced() int { return int(s.priced.Load()) }

// Fresh reports whether a remembered verdict may still be believed. A positive
// maxAge narrows the life of its class.
func (s *Scanner) Fresh(v *ledger.VerdictRecord, maxAge time.Duration) bool {
	if v == nil {
		return false
	}
	life := s.policy.Life[v.Verdict.Class]
	if maxAge > 0 && maxAge < life {
		life = maxAge
	}
	return v.Age(s.now()) < life
}

// Wish is a file that somebody wants judged.
type Wish struct {
	File     alert.File
	Severity alert.Severity
	MaxAge   time.Duration // 0: the life of the class
	Refresh  bool          // believe nothing that is remembered
	// Alert names the file; its product may be asked for it. Known: the alert is
	// remembered, and wants the job, so that it is found by itself.
	Alert alert.Handle
	Known bool
}

// insists reports whether a person asks about an alert.
func (w Wish) insists() bool { return w.Alert.ID != "" && !w.Known }

// Want makes sure that a job exists for the file, inside the caller's
// transaction, and gives it; a remembered verdict that may be believed comes with
// it. A file with no usable hash has no job: nil.
func (s *Scanner) Want(tx ledger.Tx, w Wish) (*ledger.Job, *ledger.VerdictRecord, error) {
	key, known, err := s.find(tx, w.File.Hashes)
	if err != nil || key.Hash == "" {
		return nil, nil, err
	}
	job, err := tx.Job(key)
	if err != nil {
		return nil, nil, err
	}
	if known != nil && !w.Refresh && s.Fresh(known, w.MaxAge) {
		return s.remembered(tx, job, key, w, known)
	}
	return s.wanted(tx, job, key, w)
}

// find gives the key a file is judged under: the hash its verdict is filed under
// when one is remembered, else its best one.
func (s *Scanner) find(tx ledger.Tx, hs alert.Hashes) (ledger.JobKey, *ledger.VerdictRecord, error) {
	best := hs.Best()
	key := ledger.JobKey{Engine: s.Scope(), Hash: best}
	if best == "" {
		return key, nil, nil
	}
	v, err := tx.Verdict(s.Scope(), best)
	if v != nil {
		key.Hash = v.Verdict.Best()
	}
	return key, v, err
}

func (s *Scanner) remembered(tx ledger.Tx, job *ledger.Job, key ledger.JobKey, w Wish, v *ledger.VerdictRecord) (*ledger.Job, *ledger.VerdictRecord, error) {
	if job == nil {
		now := s.now()
		job = &ledger.Job{Key: key, Claimed: w.File.Hashes, Name: w.File.Name, State: ledger.JobJudged,
			From: ledger.Remembered, AnalysisID: v.Verdict.AnalysisID, Priority: w.Severity, Created: now, Changed: now}
		return job, v, tx.PutJob(job)
	}
	return job, v, nil
}

// wanted creates the job, or wakes it: a judged one whose verdict is too old, a
// failed one, and one whose priority has risen.
func (s *Scanner) wanted(tx ledger.Tx, job *ledger.Job, key ledger.JobKey, w Wish) (*ledger.Job, *ledger.VerdictRecord, error) {
	now := s.now()
	if job == nil {
		job = &ledger.Job{Key: key, Created: now}
	}
	before := *job
	switch {
	case job.State == "", job.State == ledger.JobJudged,
		job.State == ledger.JobFailed && (w.insists() || now.Sub(job.Changed) >= s.policy.Life[alert.ClassFailed]):
		if err := job.Move(ledger.JobWanted, "", time.Time{}); err != nil {
			return nil, nil, err
		}
		job.Attempts, job.From, job.AnalysisID = 0, "", ""
	case job.State == ledger.JobWithheld && s.allowedNow(job):
		if err := job.Move(ledger.JobWanted, "", time.Time{}); err != nil {
			return nil, nil, err
		}
	}
	askAlso(job, w, now)
	if job.State == ledger.JobWaiting && w.Severity > job.Priority && strings.HasPrefix(job.Reason, ReasonQuota) {
		job.NextTry = time.Time{} // what is left may be kept for just this
	}
	job.Claimed = merge(job.Claimed, w.File.Hashes)
	job.Priority = max(job.Priority, w.Severity)
	if w.MaxAge > 0 {
		job.MaxAge = w.MaxAge
	}
	if w.Refresh {
		job.MaxAge = time.Nanosecond
	}
	if job.Name == "" {
		job.Name = w.File.Name
	}
	if before == *job {
		return job, nil, nil
	}
	job.Changed = now
	return job, nil, tx.PutJob(job)
}

// askAlso remembers that another alert names the file, where that is news to the job:
// its product may have what the others cannot give. Who insists is not told to wait.
func askAlso(job *ledger.Job, w Wish, now time.Time) {
	// Whoever holds it may be taking the file just now: that alert is not taken away.
	offline := job.State == ledger.JobFetching && strings.HasPrefix(job.Reason, ReasonOffline) && !job.Claim.Held(now)
	waits := offline || job.State == ledger.JobWaiting && strings.HasPrefix(job.Reason, ReasonFile)
	if w.Alert.ID == "" || w.Known && !waits {
		return
	}
	f := job.Fetch.Copy()
	if w.insists() {
		f.Insist(w.Alert)
	} else if !f.Ask(w.Alert) {
		return
	}
	if offline && (f.Handle.Source != w.Alert.Source || f.Handle.ID != w.Alert.ID) { // chosen anew, with this alert first
		f.Restart()
		f.Handle = alert.Handle{}
	}
	if job.Fetch = f; waits {
		job.NextTry = time.Time{}
	}
}

// merge keeps what was claimed first: a later, different claim is not better.
func merge(a, b alert.Hashes) alert.Hashes {
	if a.SHA256 == "" {
		a.SHA256 = b.SHA256
	}
	if a.SHA1 == "" {
		a.SHA1 = b.SHA1
	}
	if a.MD5 == "" {
		a.MD5 = b.MD5
	}
	return a
}

// Claim takes at most n due jobs, all of the highest urgency there is, so that
// what is left of a quota goes to the worst alerts first.
func (s *Scanner) Claim(ctx context.Context, n int) ([]*ledger.Job, error) {
	var taken []*ledger.Job
	due := false
	err := s.store.View(ctx, func(tx ledger.Tx) error {
		jobs, err := tx.DueJobs(s.Scope(), s.now(), 1)
		due = len(jobs) > 0
		return err
	})
	if err != nil || !due {
		return nil, err
	}
	err = s.store.Update(ctx, n, func(tx ledger.Tx) error {
		taken = nil
		now := s.now()
		jobs, err := tx.DueJobs(s.Scope(), now, n)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.Urgency() != jobs[0].Urgency() {
				break
			}
			j.Claim = j.Claim.Take(s.holder, now.Add(s.policy.ClaimFor))
			if err := tx.PutJob(j); err != nil {
				return err
			}
			taken = append(taken, j)
		}
		return nil
	})
	return taken, err
}

// ClaimOne takes the job of one key when it is due and free; nil when it is not.
func (s *Scanner) ClaimOne(ctx context.Context, key ledger.JobKey) (*ledger.Job, error) {
	var taken *ledger.Job
	err := s.store.Update(ctx, 1, func(tx ledger.Tx) error {
		taken = nil
		now := s.now()
		j, err := tx.Job(key)
		if err != nil || j == nil || j.Terminal() || j.Claim.Held(now) || j.NextTry.After(now) {
			return err
		}
		j.Claim = j.Claim.Take(s.holder, now.Add(s.policy.ClaimFor))
		taken = j
		return tx.PutJob(j)
	})
	return taken, err
}

// NextDue gives when the next job becomes due, now when one is; zero when none
// waits. One that became due since the last Claim must count, or nobody would wait
// for it.
func (s *Scanner) NextDue(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.store.View(ctx, func(tx ledger.Tx) error {
		now := s.now()
		due, err := tx.DueJobs(s.Scope(), now, 1)
		if err != nil {
			return err
		}
		if len(due) > 0 {
			at = now
			return nil
		}
		at, err = tx.NextDue(s.Scope(), now)
		return err
	})
	return at, err
}

// change applies fn to the job as stored, when the claim is still ours, and
// stores it. The caller's job follows on success.
func (s *Scanner) change(ctx context.Context, job *ledger.Job, fn func(ledger.Tx, *ledger.Job) error) error {
	var next ledger.Job
	err := s.store.Update(ctx, 3, func(tx ledger.Tx) error {
		stored, err := tx.Job(job.Key)
		if err != nil {
			return err
		}
		if stored == nil || stored.Claim.Token != job.Claim.Token {
			return fmt.Errorf("file %s: %w", job.Key.Hash, ledger.ErrStale)
		}
		// What others may have changed meanwhile (priority, claimed hashes) is kept.
		next = *stored
		if err := fn(tx, &next); err != nil {
			return err
		}
		next.Changed = s.now()
		return tx.PutJob(&next)
	})
	if err == nil {
		*job = next
	}
	return err
}
