package triage

import (
	"context"
	"errors"
	"sync"

	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// The judging of files in a sync: quick steps side by side here, those that move a
// file in carry.go.

// judge claims a batch of file jobs of the highest priority and steps each.
func (r *syncer) judge(ctx context.Context) (int, error) {
	if r.refused() {
		return 0, nil
	}
	workers := r.Settings.withDefaults().Workers
	jobs, err := r.Scanner.Claim(ctx, 4*workers)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	errs := make([]error, len(jobs))
	before := make([]ledger.JobState, len(jobs))
	slots := make(chan struct{}, workers)
	var wg sync.WaitGroup
	for i, j := range jobs {
		if before[i] = j.State; scan.MovesFile(j) {
			errs[i] = r.carry(j)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = r.stepped(j, before[i], r.Scanner.Step(ctx, j))
		})
	}
	wg.Wait()
	r.observe(Event{What: "files", Done: r.judged.len()})
	return len(jobs), errors.Join(errs...)
}

// stepped notes what a step did. The error is for what ends the run.
func (r *syncer) stepped(j *ledger.Job, before ledger.JobState, err error) error {
	r.tally(j)
	if j.State != before {
		r.progress.Add(1)
	}
	t, ok := errors.AsType[*scan.Trouble](err)
	if ok {
		r.troubled(t)
		return nil
	}
	return err
}

// troubled notes what went wrong with one file: the engine's trouble, or that of the
// product that was asked for the file.
func (r *syncer) troubled(t *scan.Trouble) {
	if !t.Fetch {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.trouble = t
		return
	}
	for _, target := range r.targets {
		if target.src.Name() == t.Source {
			r.fail(target, fault.At(t.Err, t.Source, "fetch file"))
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Errors = append(r.sum.Errors, SourceError{"fetch", fault.At(t.Err, "fetch", "")})
}

// tally remembers that the run had to do with a job.
func (r *syncer) tally(j *ledger.Job) {
	r.touched.add(j.Key)
	if j.State == ledger.JobJudged {
		r.judged.add(j.Key)
	}
}

// refused reports whether the engine refuses our key: then no file can be judged
// in this run, and waiting does not help.
func (r *syncer) refused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fault.Is(r.trouble, fault.Auth) || fault.Is(r.trouble, fault.Denied)
}
