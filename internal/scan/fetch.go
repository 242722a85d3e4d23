package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// needFile begins the getting of a file that the engine does not hold, or carries it
// on. The reservation was given back before.
func (s *Scanner) needFile(ctx context.Context, job *ledger.Job) error {
	if !s.takesFiles() {
		return s.wait(ctx, job, ReasonFile, s.now().Add(fileRetry))
	}
	if job.Fetch != nil && job.Fetch.Handle.ID != "" && job.Fetch.Handle.Source != localSource {
		return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
			j.Claim = j.Claim.Release()
			return j.Move(ledger.JobFetching, ReasonFetching, time.Time{})
		})
	}
	return s.choose(ctx, job)
}

// choose picks the alert whose product is asked next. The choice is committed
// before anything is asked: a repeated request then has the same password.
func (s *Scanner) choose(ctx context.Context, job *ledger.Job) error {
	usable, all, err := s.candidates(ctx, job)
	if err != nil {
		return &fetchError{err: err}
	}
	refused := ledger.Fetch{}
	for _, c := range usable {
		if about := c.about(); s.refuses(about) != "" {
			refused = *about
			continue
		}
		return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
			f := j.Fetch.Copy()
			f.Restart()
			f.Handle, f.Attempt = c.handle, f.Attempt+1
			if f.Since.IsZero() {
				f.Since = s.now()
			}
			j.Fetch, j.Claim, j.Attempts = f, j.Claim.Release(), 0
			return j.Move(ledger.JobFetching, ReasonFetching+": "+c.source.Name(), time.Time{})
		})
	}
	if refused.From != "" {
		return s.withhold(ctx, job, refused)
	}
	return s.noFile(ctx, job, all, "no product that names it can give it")
}

// noFile waits for somebody to upload the file, or for another alert that names it
// than those that were seen; after the deadline the file is given up, and its alerts
// are told.
func (s *Scanner) noFile(ctx context.Context, job *ledger.Job, seen []candidate, why string) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		f := j.Fetch.Copy()
		if f.Since.IsZero() {
			f.Since = s.now()
		}
		j.Fetch = f
		if s.now().Sub(f.Since) >= s.fetching.GiveUp {
			return s.fileGivenUp(tx, j, why)
		}
		next := s.now().Add(fileRetry)
		now, err := naming(tx, j)
		if slices.ContainsFunc(now, func(c candidate) bool { return !among(seen, c.handle) }) {
			next = time.Time{} // it came while this one was looking
		}
		if err != nil {
			return err
		}
		return j.Move(ledger.JobWaiting, ReasonFile+": "+why, next)
	})
}

// fileGivenUp fails a job whose file cannot be had; its alerts are told once.
func (s *Scanner) fileGivenUp(tx ledger.Tx, j *ledger.Job, why string) error {
	since := j.Fetch.Since
	j.Fetch = nil
	if err := j.Move(ledger.JobFailed, fmt.Sprintf("%s, asked for since %s: %s", NoFile, since.UTC().Format(time.DateOnly), why), time.Time{}); err != nil {
		return err
	}
	return tx.PutFanout(j.Key, ledger.AlertKey{})
}

// refuses asks the policy about a file as far as it is known.
func (s *Scanner) refuses(f *ledger.Fetch) string {
	return s.fetching.Policy.Refuses(f.From, sample.Type(f.Type), f.Size)
}

// withhold ends a job whose file may not be sent. What is known of the file stays, to
// tell whether another policy allows it.
func (s *Scanner) withhold(ctx context.Context, job *ledger.Job, about ledger.Fetch) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		f := j.Fetch.Copy()
		f.Kept, f.From, f.Name, f.Size, f.Type = false, about.From, about.Name, about.Size, about.Type
		j.Fetch, j.Claim = f, j.Claim.Release()
		return s.withheld(tx, j, ReasonPolicy+": "+s.refuses(f))
	})
}

// withheld ends a job; its alerts are told.
func (s *Scanner) withheld(tx ledger.Tx, j *ledger.Job, why string) error {
	if err := j.Move(ledger.JobWithheld, why, time.Time{}); err != nil {
		return err
	}
	return tx.PutFanout(j.Key, ledger.AlertKey{})
}

// allowedNow reports whether a file that the policy withheld may be uploaded by now.
func (s *Scanner) allowedNow(j *ledger.Job) bool {
	return j.State == ledger.JobWithheld && strings.HasPrefix(j.Reason, ReasonPolicy) &&
		s.fetching != nil && j.Fetch != nil && s.refuses(j.Fetch) == ""
}

// fetch takes one step of a fetch: ask, look, or take what is there.
func (s *Scanner) fetch(ctx context.Context, job *ledger.Job) error {
	found, err := s.recall(ctx, job) // judged meanwhile, under whatever hash
	if err != nil || found {
		return err
	}
	if s.policy.DryRun { // asking a product for a file is no mere look
		s.priced.Add(1)
		return s.wait(ctx, job, ReasonDryRun, s.now().Add(fileRetry))
	}
	f := job.Fetch
	if !s.takesFiles() || f == nil || f.Handle.ID == "" {
		return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error { return s.fromTheTop(j) })
	}
	src, err := s.fetching.Source(ctx, f.Handle.Source)
	if err != nil {
		return &fetchError{err: err}
	}
	fetcher, ok := src.(source.Fetcher)
	if !ok {
		return s.useless(ctx, job, "the source that names it is not configured any more")
	}
	request, err := s.request(ctx, job)
	if err != nil {
		return &fetchError{err: err}
	}
	step, err := ask(ctx, f, fetcher, request)
	if err != nil {
		return &fetchError{source: src.Name(), err: err}
	}
	return s.fetched(ctx, job, src, fetcher, step)
}

// ask starts the fetch, or looks how far it has come.
func ask(ctx context.Context, f *ledger.Fetch, from source.Fetcher, r source.FetchRequest) (source.FetchStep, error) {
	if len(f.Ticket) > 0 {
		var t source.Ticket
		if err := json.Unmarshal(f.Ticket, &t); err == nil {
			return from.PollFetch(ctx, t)
		}
		// Another version wrote it: the product is asked anew.
	}
	return from.StartFetch(ctx, r)
}

// request is what a product is asked.
func (s *Scanner) request(ctx context.Context, job *ledger.Job) (source.FetchRequest, error) {
	f := job.Fetch
	password, err := s.password(f)
	if err != nil {
		return source.FetchRequest{}, err
	}
	var rec *ledger.Alert
	err = s.store.View(ctx, func(tx ledger.Tx) (err error) {
		rec, err = tx.Alert(f.Handle.Source, f.Handle.ID)
		return err
	})
	return source.FetchRequest{Handle: f.Handle, File: candidateOf(job, f.Handle, rec).file,
		Password: password, Attempt: f.Attempt, Endpoint: s.fetching.Endpoint}, err
}

// fetched acts on what the product said.
func (s *Scanner) fetched(ctx context.Context, job *ledger.Job, src source.Source, from source.Fetcher, step source.FetchStep) error {
	wait := s.pollPause(step.Retry)
	switch step.State {
	case source.FetchReady:
		return s.open(ctx, job, src, from, step.Ticket)
	case source.FetchPending:
		return s.carryOn(ctx, job, &step.Ticket, ReasonFetching+": "+src.Name(), wait, false)
	case source.FetchUnreachable:
		return s.unreachable(ctx, job, &step.Ticket, ReasonOffline+": "+step.Reason)
	case source.FetchLost:
		return s.carryOn(ctx, job, nil, ReasonFetching+": "+src.Name(), wait, false)
	case source.FetchNone:
		return s.useless(ctx, job, step.Reason)
	}
	return &fetchError{source: src.Name(), err: fault.New(fault.Unavailable, "the fetch is in a state that is not known: %q", step.State)}
}

// pollPause is the wait between two looks: as configured, else the product's own.
func (s *Scanner) pollPause(own time.Duration) time.Duration {
	switch {
	case s.fetching.Poll > 0:
		return s.fetching.Poll
	case own > 0:
		return own
	}
	return defaultPoll
}

// carryOn keeps the ticket for the next step, by whichever process: after wait, or
// after a pause that grows when the product can do nothing now. A nil ticket means
// that the product must be asked anew.
func (s *Scanner) carryOn(ctx context.Context, job *ledger.Job, t *source.Ticket, reason string, wait time.Duration, backOff bool) error {
	var ticket json.RawMessage
	if t != nil {
		var err error
		if ticket, err = json.Marshal(t); err != nil {
			return &fetchError{err: err}
		}
	}
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		f := j.Fetch.Copy()
		if s.now().Sub(f.Since) >= s.fetching.GiveUp {
			return s.fileGivenUp(tx, j, reason)
		}
		if backOff {
			wait = s.backOff(f.Tries)
			f.Tries++
		} else if t != nil {
			f.Tries = 0
		}
		f.Ticket, j.Fetch, j.Attempts = ticket, f, 0
		return j.Move(ledger.JobFetching, reason, s.atMost(f, wait))
	})
}

// atMost gives the time of the next try: after wait, but not beyond the deadline.
func (s *Scanner) atMost(f *ledger.Fetch, wait time.Duration) time.Time {
	next, deadline := s.now().Add(wait), f.Since.Add(s.fetching.GiveUp)
	if next.After(deadline) {
		return deadline
	}
	return next
}

// unreachable turns to the next alert that names the file: its endpoint may be online.
// After the last of them the job waits, longer each time, and begins with the first.
func (s *Scanner) unreachable(ctx context.Context, job *ledger.Job, t *source.Ticket, reason string) error {
	all, _, err := s.candidates(ctx, job)
	if err != nil {
		return &fetchError{err: err}
	}
	all = slices.DeleteFunc(all, func(c candidate) bool { return s.refuses(c.about()) != "" })
	at := slices.IndexFunc(all, func(c candidate) bool { return c.is(job.Fetch.Handle) })
	if len(all) == 0 || len(all) == 1 && at == 0 {
		return s.carryOn(ctx, job, t, reason, 0, true)
	}
	round := at+1 >= len(all)
	next := all[(at+1)%len(all)]
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		f := j.Fetch.Copy()
		if s.now().Sub(f.Since) >= s.fetching.GiveUp {
			return s.fileGivenUp(tx, j, reason)
		}
		tries := f.Tries
		f.Restart()
		f.Handle, f.Attempt, f.Bad, j.Attempts = next.handle, f.Attempt+1, 0, 0
		until := time.Time{}
		if f.Tries = tries; round {
			f.Tries, until = tries+1, s.atMost(f, s.backOff(tries))
		}
		j.Fetch = f
		return j.Move(ledger.JobFetching, reason, until)
	})
}

// backOff is Retry, doubled with each try, up to 64 times Retry.
func (s *Scanner) backOff(tries int) time.Duration { return s.fetching.Retry << min(tries, maxBackOff) }

// useless turns to the next alert that names the file: this one's product has none,
// or another.
func (s *Scanner) useless(ctx context.Context, job *ledger.Job, why string) error {
	usable, all, err := s.candidates(ctx, job)
	if err != nil {
		return &fetchError{err: err}
	}
	others := slices.ContainsFunc(usable, func(c candidate) bool { return !c.is(job.Fetch.Handle) })
	err = s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		f := j.Fetch.Copy()
		f.GiveUp()
		j.Fetch = f
		return nil
	})
	if err != nil {
		return err
	}
	if others {
		return s.choose(ctx, job)
	}
	return s.noFile(ctx, job, all, why)
}

// fromTheTop makes a job due at once, from the first step of the ladder.
func (s *Scanner) fromTheTop(j *ledger.Job) error {
	j.Claim, j.Attempts = j.Claim.Release(), 0
	return j.Move(ledger.JobWanted, "", time.Time{})
}

// fetchError is trouble with getting a file, not with the engine. An empty source
// is trouble on this side.
type fetchError struct {
	source string
	err    error
}

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// fetchTrouble makes the job wait where it stands, longer each time.
func (s *Scanner) fetchTrouble(ctx context.Context, job *ledger.Job, cause *fetchError) error {
	err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		wait := min(troubleMax, s.policy.RetryBase<<min(j.Attempts, 10))
		if f, ok := errors.AsType[*fault.Error](cause.err); ok && f.RetryAfter > wait {
			wait = f.RetryAfter
		}
		j.Attempts++
		if f := j.Fetch; f != nil && !f.Since.IsZero() && j.State == ledger.JobFetching && s.now().Sub(f.Since) >= s.fetching.GiveUp {
			return s.fileGivenUp(tx, j, cause.Error())
		}
		to := j.State
		if to == ledger.JobWanted { // an upload: files with weaker hashes need not wait for it
			to = ledger.JobWaiting
		}
		return j.Move(to, ReasonFetchTrouble+": "+cause.Error(), s.now().Add(wait))
	})
	if err != nil && !errors.Is(err, ledger.ErrStale) {
		return err
	}
	return &Trouble{Hash: job.Key.Hash, Source: cause.source, Fetch: true, Err: cause.err}
}
