package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// Reasons a job waits for, as users read them.
const (
	ReasonFile    = "file needed: the engine does not hold it"
	ReasonQuota   = "quota"
	ReasonDryRun  = "dry run: a scan would be spent"
	ReasonRunning = "analysis running"
	ReasonOrder   = "stronger hashes first"
	ReasonEngine  = "engine trouble"
)

const (
	fileRetry    = 12 * time.Hour // somebody else may have uploaded it meanwhile
	maxAttempts  = 3              // failed analyses before giving up
	orderRetry   = 2 * time.Second
	troubleMax   = 30 * time.Minute
	runPause     = 4 * time.Minute  // longer than a run waits for what is due, shorter than cron's five
	unknownRetry = 15 * time.Second // "already running", but not which analysis
)

// Step carries a claimed job as far as it goes without waiting, and gives the
// claim back. When it returns, the job's state says what is next. The error is
// for what stops everything (the store, a cancelled context); trouble with one
// file is in its state, and reported as Trouble.
func (s *Scanner) Step(ctx context.Context, job *ledger.Job) error {
	ctx, cancel := context.WithTimeout(ctx, s.policy.ClaimFor)
	defer cancel()
	defer s.outOfLine(job)
	var err error
	switch job.State {
	case ledger.JobAnalysing:
		err = s.poll(ctx, job)
	default: // a submit in doubt begins with the free look-up again
		err = s.lookup(ctx, job, job.State == ledger.JobSubmitting)
	}
	switch {
	case err == nil || errors.Is(err, ledger.ErrStale):
		return nil // whoever took over carries on
	case fault.Is(err, fault.Interrupted):
		s.giveBack(job)
		return err
	}
	return s.trouble(context.WithoutCancel(ctx), job, err)
}

// giveBack releases the claim when the run was interrupted; if that fails the
// claim expires by itself.
func (s *Scanner) giveBack(job *ledger.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return nil
	})
}

// Trouble is an engine failure on one file; the job waits and is tried again.
type Trouble struct {
	Hash alert.Hash
	Err  error
}

// Error gives the failure.
func (t *Trouble) Error() string { return t.Err.Error() }

// Unwrap gives the cause.
func (t *Trouble) Unwrap() error { return t.Err }

// trouble makes the job wait, longer each time. A refused key or an unreachable
// engine is everybody's trouble, so the caller hears of it.
func (s *Scanner) trouble(ctx context.Context, job *ledger.Job, cause error) error {
	err := s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		wait := min(troubleMax, s.policy.RetryBase<<min(j.Attempts, 10))
		if j.State == ledger.JobAnalysing {
			wait = s.policy.PollMax // attempts counts polls there
		}
		if f, ok := errors.AsType[*fault.Error](cause); ok && f.RetryAfter > wait {
			wait = f.RetryAfter
		}
		j.Attempts++
		// A submit that may have happened stays a submit in doubt.
		if j.State == ledger.JobSubmitting || j.State == ledger.JobAnalysing {
			j.Reason, j.NextTry = ReasonEngine, s.now().Add(wait)
			return nil
		}
		return j.Move(ledger.JobWaiting, fmt.Sprintf("%s: %v", ReasonEngine, cause), s.now().Add(wait))
	})
	if err != nil && !errors.Is(err, ledger.ErrStale) {
		return err
	}
	return &Trouble{Hash: job.Key.Hash, Err: cause}
}

// lookup asks what costs nothing: what is remembered, then the engine's private
// analyses; then it goes on to submit. doubt says that an earlier submit may have
// been accepted: then an analysis that is there now is the one we paid for.
func (s *Scanner) lookup(ctx context.Context, job *ledger.Job, doubt bool) error {
	found, err := s.recall(ctx, job)
	if err != nil || found {
		return s.found(job, doubt, err)
	}
	behind, err := s.behind(ctx, job)
	if err != nil {
		return err
	}
	if behind && job.Behind && !doubt && !s.policy.DryRun { // looked up already
		return s.order(ctx, job)
	}
	a, err := s.engine.Lookup(ctx, job.Key.Hash)
	switch {
	case err == nil && !a.Private:
		if s.warned.CompareAndSwap(false, true) {
			s.warn("the engine answered a private look-up with a public analysis: a proxy may drop the body of GET requests, and then look-ups cost quota")
		}
	case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone):
		return s.submit(ctx, job, doubt, behind)
	case fault.Is(err, fault.Quota) && !doubt:
		return s.submitFailed(context.WithoutCancel(ctx), job, err, false)
	case err != nil:
		return err
	}
	if a.State == Running { // a look-up that finds the running one joins it
		return s.found(job, doubt, s.analysing(ctx, job, a.ID, 0, doubt))
	}
	if a.State != Succeeded || s.stale(a, job.MaxAge) && !(doubt && s.sinceSubmit(a, job)) {
		return s.submit(ctx, job, doubt, behind)
	}
	from := ledger.LookedUp
	if doubt {
		from = ledger.Scanned
	}
	return s.found(job, doubt, s.judge(ctx, job, a, from))
}

// found counts a scan whose submit was in doubt, once its outcome is committed.
func (s *Scanner) found(job *ledger.Job, doubt bool, err error) error {
	if err == nil && doubt {
		s.taken.Delete(job.Key)
		s.spent.Add(1)
	}
	return err
}

// sinceSubmit reports whether an analysis is younger than the submit that is in
// doubt: then it is the one that was paid for, however fresh a verdict is wanted.
func (s *Scanner) sinceSubmit(a Analysis, job *ledger.Job) bool {
	return !job.Submitted.IsZero() && analysisAge(a) <= s.now().Sub(job.Submitted)
}

// stale compares the engine's times with each other.
func (s *Scanner) stale(a Analysis, maxAge time.Duration) bool {
	v := ledger.VerdictRecord{Verdict: a.Verdict, Learned: s.now(), AgeThen: analysisAge(a)}
	return !s.Fresh(&v, maxAge)
}

func analysisAge(a Analysis) time.Duration {
	if a.Date.IsZero() || a.Verdict.Analysed.IsZero() {
		return 0
	}
	return max(0, a.Date.Sub(a.Verdict.Analysed))
}

// recall judges the job by a verdict that another job or process has stored since.
func (s *Scanner) recall(ctx context.Context, job *ledger.Job) (bool, error) {
	var v *ledger.VerdictRecord
	err := s.store.View(ctx, func(tx ledger.Tx) (err error) {
		v, err = tx.Verdict(s.Scope(), job.Key.Hash)
		return err
	})
	if err != nil || !s.Fresh(v, job.MaxAge) {
		return false, err
	}
	err = s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		return s.finish(tx, j, v, ledger.Remembered)
	})
	return err == nil, err
}

// submit reserves a scan, writes the intent, and only then asks for the analysis.
// behind says that other jobs were to go first when the look-up began: what they
// have found out meanwhile it may have missed.
func (s *Scanner) submit(ctx context.Context, job *ledger.Job, doubt, behind bool) error {
	if s.policy.DryRun {
		s.priced.Add(1)
		return s.wait(ctx, job, ReasonDryRun, s.now().Add(fileRetry))
	}
	if behind {
		return s.order(ctx, job)
	}
	if !s.take(job.Key) {
		reason := fmt.Sprintf("%s: this run may spend %d scans", ReasonQuota, s.policy.MaxScans)
		return s.wait(ctx, job, reason, s.now().Add(runPause))
	}
	keep := doubt // what may have been paid stays taken until the outcome is known
	defer func() {
		if !keep {
			s.untake(job.Key)
		}
	}()
	granted, err := s.reserve(ctx, job)
	if err != nil || !granted {
		return err
	}
	if !job.Claim.Held(s.now()) { // stopped for longer than the claim: it may be somebody else's now
		return ledger.ErrStale
	}
	sub, err := s.engine.Submit(ctx, job.Key.Hash)
	if err != nil {
		keep = doubt || inDoubt(err)
		return s.submitFailed(context.WithoutCancel(ctx), job, err, doubt)
	}
	keep = sub.Outcome == Accepted || doubt && sub.Outcome == AlreadyRunning
	if keep && sub.ID != "" {
		s.taken.Delete(job.Key) // spent for good
	}
	return s.submitted(context.WithoutCancel(ctx), job, sub, doubt)
}

// take takes one of the scans that this run may spend, once for each file.
func (s *Scanner) take(k ledger.JobKey) bool {
	if _, already := s.taken.LoadOrStore(k, struct{}{}); already {
		return true
	}
	if n := s.granted.Add(1); s.policy.MaxScans > 0 && n > int64(s.policy.MaxScans) {
		s.untake(k)
		return false
	}
	return true
}

// untake gives it back: nothing was spent.
func (s *Scanner) untake(k ledger.JobKey) {
	if _, had := s.taken.LoadAndDelete(k); had {
		s.granted.Add(-1)
	}
}

// inDoubt reports whether a failed submit may have been accepted.
func inDoubt(err error) bool { return fault.Is(err, fault.InDoubt) || fault.Is(err, fault.Other) }

// submitted files the engine's answer, and settles the reservation.
func (s *Scanner) submitted(ctx context.Context, job *ledger.Job, sub Submission, doubt bool) error {
	switch sub.Outcome {
	case Accepted:
		s.spent.Add(1)
		return s.analysing(ctx, job, sub.ID, s.policy.PollBase, true)
	case AlreadyRunning:
		if sub.ID == "" && doubt { // it is the one in doubt, most likely: the look-up will tell
			return s.wait(ctx, job, ReasonRunning, s.now().Add(min(unknownRetry, s.policy.PollMax)))
		}
		if sub.ID == "" {
			return s.settle(ctx, job, func(j *ledger.Job) error {
				return j.Move(ledger.JobWaiting, ReasonRunning, s.now().Add(min(unknownRetry, s.policy.PollMax)))
			})
		}
		if doubt {
			s.spent.Add(1)
		}
		return s.analysing(ctx, job, sub.ID, s.policy.PollBase, doubt)
	case SkippedByRule:
		return s.settle(ctx, job, func(j *ledger.Job) error {
			return j.Move(ledger.JobWithheld, "excluded by a rule of the engine's account", time.Time{})
		})
	case NotHeld:
		return s.settle(ctx, job, func(j *ledger.Job) error {
			return j.Move(ledger.JobWaiting, ReasonFile, s.now().Add(fileRetry))
		})
	case Unsupported:
		return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
			if err := s.refund(tx, j); err != nil {
				return err
			}
			v := alert.Verdict{Engine: s.Engine(), Class: alert.NotSupported, Reason: sub.Reason, Weak: true}
			v.Hashes = alert.NewHashes(string(j.Key.Hash))
			return s.finish(tx, j, &ledger.VerdictRecord{Engine: s.Scope(), Verdict: v, Learned: s.now()}, ledger.LookedUp)
		})
	}
	return fault.New(fault.Unavailable, "the engine gave an outcome that is not known: %q", sub.Outcome)
}

// submitFailed tells a refusal for quota from a request whose outcome is unknown,
// and from one that was certainly not processed. doubt: an earlier one may have
// been, so this one's refusal settles nothing.
func (s *Scanner) submitFailed(ctx context.Context, job *ledger.Job, cause error, doubt bool) error {
	if fault.Is(cause, fault.Quota) {
		if err := s.CloseQuota(ctx, cause.Error()); err != nil {
			return err
		}
		until := s.now().Add(quotaPause)
		if doubt {
			return s.wait(ctx, job, ReasonQuota, until)
		}
		return s.settle(ctx, job, func(j *ledger.Job) error { return j.Move(ledger.JobWaiting, ReasonQuota, until) })
	}
	if doubt || inDoubt(cause) {
		return cause // stays submitting: looked up again before it is sent again
	}
	err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if err := s.refund(tx, j); err != nil {
			return err
		}
		return j.Move(ledger.JobWanted, "", time.Time{})
	})
	if err != nil {
		return err
	}
	return cause
}

// settle gives the reservation back, moves the job, and releases the claim.
func (s *Scanner) settle(ctx context.Context, job *ledger.Job, move func(*ledger.Job) error) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if err := s.refund(tx, j); err != nil {
			return err
		}
		j.Claim = j.Claim.Release()
		return move(j)
	})
}

// analysing records a running analysis and gives the claim back: whoever has time
// at the next try polls it. paid says that the reservation was spent on it.
func (s *Scanner) analysing(ctx context.Context, job *ledger.Job, id string, wait time.Duration, paid bool) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if j.State != ledger.JobSubmitting { // joined, not paid
			if err := j.Move(ledger.JobLookedUp, "", time.Time{}); err != nil {
				return err
			}
			if err := j.Move(ledger.JobSubmitting, "", time.Time{}); err != nil {
				return err
			}
		}
		if !paid {
			if err := s.refund(tx, j); err != nil {
				return err
			}
		}
		now := s.now()
		j.Reserved, j.AnalysisID, j.Submitted, j.Attempts = "", id, now, 0
		j.Paid = paid
		j.Claim = j.Claim.Release()
		return j.Move(ledger.JobAnalysing, ReasonRunning, now.Add(wait))
	})
}

// poll reads the running analysis once.
func (s *Scanner) poll(ctx context.Context, job *ledger.Job) error {
	a, err := s.engine.Poll(ctx, job.AnalysisID)
	if err != nil {
		return err
	}
	switch a.State {
	case Succeeded:
		if job.Paid {
			return s.judge(ctx, job, a, ledger.Scanned)
		}
		return s.judge(ctx, job, a, ledger.LookedUp)
	case Vanished:
		return s.again(ctx, job, "the analysis is gone")
	case Failed:
		return s.again(ctx, job, "the analysis failed: "+a.Reason)
	}
	if s.now().Sub(job.Submitted) > s.policy.GiveUp {
		return s.again(ctx, job, fmt.Sprintf("the analysis did not end within %v", s.policy.GiveUp))
	}
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		wait := max(s.pollWait(j), a.RetryAfter)
		j.Attempts++
		j.Claim = j.Claim.Release()
		j.NextTry = s.now().Add(wait)
		return nil
	})
}

// pollWait grows by half from PollBase to PollMax; attempts counts the polls.
func (s *Scanner) pollWait(j *ledger.Job) time.Duration {
	d := s.policy.PollBase
	for range min(j.Attempts, 20) {
		d = min(d*3/2, s.policy.PollMax)
	}
	return d
}

// again tries a failed analysis once more, or gives up.
func (s *Scanner) again(ctx context.Context, job *ledger.Job, reason string) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Failures++
		j.Claim = j.Claim.Release()
		j.AnalysisID, j.Attempts = "", 0
		if j.Failures < maxAttempts {
			return j.Move(ledger.JobWanted, reason, s.now().Add(s.policy.PollBase))
		}
		if err := j.Move(ledger.JobFailed, reason, time.Time{}); err != nil {
			return err
		}
		return tx.PutFanout(j.Key, ledger.AlertKey{})
	})
}

// wait parks the job. A submit in doubt stays one.
func (s *Scanner) wait(ctx context.Context, job *ledger.Job, reason string, until time.Time) error {
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return j.Move(parked(j), reason, until)
	})
}

// order parks a job that has to let others go first.
func (s *Scanner) order(ctx context.Context, job *ledger.Job) error {
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return s.putBehind(j)
	})
}

func (s *Scanner) putBehind(j *ledger.Job) error {
	err := j.Move(parked(j), ReasonOrder, s.now().Add(min(orderRetry, s.policy.PollBase)))
	j.Behind = true
	s.line.Lock()
	defer s.line.Unlock()
	s.inLine[j.Key] = j.Priority
	return err
}

// outOfLine forgets a job that is through.
func (s *Scanner) outOfLine(job *ledger.Job) {
	if !job.Behind {
		s.line.Lock()
		defer s.line.Unlock()
		delete(s.inLine, job.Key)
	}
}

// parked gives the state in which a job waits: one whose submit may have been
// accepted must not forget that.
func parked(j *ledger.Job) ledger.JobState {
	if j.State == ledger.JobSubmitting {
		return ledger.JobSubmitting
	}
	return ledger.JobWaiting
}

// judge completes the analysis and stores the verdict.
func (s *Scanner) judge(ctx context.Context, job *ledger.Job, a Analysis, from ledger.Origin) error {
	v, err := s.engine.Detail(ctx, a)
	if err != nil {
		return err
	}
	v.Engine = s.Engine()
	if v.SHA256 == "" {
		v.Weak = true
		v.Hashes = alert.NewHashes(string(job.Key.Hash))
	}
	rec := &ledger.VerdictRecord{Engine: s.Scope(), Verdict: v, Learned: s.now(), AgeThen: analysisAge(a)}
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		return s.finish(tx, j, rec, from)
	})
}

// finish files a verdict, judges the job, and with it every other job that turns
// out to be the same file; the alerts that wait are told by the fan-out.
func (s *Scanner) finish(tx ledger.Tx, j *ledger.Job, v *ledger.VerdictRecord, from ledger.Origin) error {
	if from != ledger.Remembered {
		if err := tx.PutVerdict(v, j.Key.Hash); err != nil {
			return err
		}
	}
	if err := s.judged(tx, j, v, from); err != nil {
		return err
	}
	for _, h := range v.Verdict.All() {
		if h == j.Key.Hash {
			continue
		}
		twin, err := tx.Job(ledger.JobKey{Engine: s.Scope(), Hash: h})
		if err != nil {
			return err
		}
		if twin == nil || twin.Claim.Held(s.now()) {
			continue
		}
		if twin.State == ledger.JobJudged { // its alerts share the verdict, which may be news to them
			if err := tx.PutFanout(twin.Key, ledger.AlertKey{}); err != nil {
				return err
			}
			continue
		}
		if err := s.judged(tx, twin, v, ledger.Remembered); err != nil {
			return err
		}
		if err := tx.PutJob(twin); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scanner) judged(tx ledger.Tx, j *ledger.Job, v *ledger.VerdictRecord, from ledger.Origin) error {
	if from == ledger.Scanned || j.State == ledger.JobSubmitting {
		j.Reserved = "" // spent, or nobody knows: a budget is better kept than overdrawn
	} else if err := s.refund(tx, j); err != nil {
		return err
	}
	j.Claim = j.Claim.Release()
	j.From, j.AnalysisID, j.MaxAge = from, v.Verdict.AnalysisID, 0
	j.Attempts, j.Failures = 0, 0
	if err := j.Move(ledger.JobJudged, "", time.Time{}); err != nil {
		return err
	}
	return tx.PutFanout(j.Key, ledger.AlertKey{})
}
