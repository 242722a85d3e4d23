package triage

import (
	"context"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// MinRetention is how long alerts, notes and file jobs are remembered at least: an
// alert that is forgotten earlier would be taken for a new one when a product lists
// it again, and noted again.
const MinRetention = 180 * 24 * time.Hour

// PruneOptions say what may be forgotten.
type PruneOptions struct {
	// OlderThan is how old a verdict must be; one that may still be believed, or that
	// an open alert waits with, is kept whatever its age.
	OlderThan time.Duration
	DryRun    bool
}

// Pruned says what was forgotten, or would be.
type Pruned struct {
	Verdicts int `json:"verdicts"`
	Alerts   int `json:"alerts"`
	Notes    int `json:"notes"` // the records of notes; the notes themselves stay
	Jobs     int `json:"jobs"`
	// Retention is what held for all but verdicts: never below MinRetention and how
	// far back any feed is read.
	Retention time.Duration `json:"retention_ns"`
	DryRun    bool          `json:"dry_run,omitempty"`
}

// pruner is one Prune: what is older than its cut-offs goes.
type pruner struct {
	*Service
	o      PruneOptions
	cutoff time.Time             // of alerts, notes and jobs
	inUse  *distinct[alert.Hash] // files of alerts that are not done with
}

// Prune forgets what is too old to matter. It may be stopped anywhere and run again.
func (s *Service) Prune(ctx context.Context, o PruneOptions) (*Pruned, error) {
	set := s.Settings.withDefaults()
	keep := max(o.OlderThan, MinRetention, set.LookBack, set.Sweep)
	p := &pruner{Service: s, o: o, cutoff: s.Now().Add(-keep), inUse: newDistinct[alert.Hash]()}
	out := &Pruned{Retention: keep, DryRun: o.DryRun}
	var err error
	if out.Alerts, err = drain(ctx, p, alertKind(), p.oldAlert, ledger.Tx.AlertAt, p.forgetAlert); err != nil {
		return out, err
	}
	effects := kind[ledger.Effect, ledger.EffectKey]{ledger.Tx.EffectsAfter, func(e *ledger.Effect) ledger.EffectKey { return e.EffectKey }}
	if out.Notes, err = drain(ctx, p, effects, p.oldEffect, ledger.Tx.Effect, func(tx ledger.Tx, e *ledger.Effect) error {
		return tx.DeleteEffect(e.EffectKey)
	}); err != nil {
		return out, err
	}
	if err = p.noteUse(ctx); err != nil {
		return out, err
	}
	get := func(tx ledger.Tx, k ledger.JobKey) (*ledger.VerdictRecord, error) {
		return tx.Verdict(k.Engine, k.Hash)
	}
	if out.Verdicts, err = drain(ctx, p, verdictKind(), p.oldVerdict, get, func(tx ledger.Tx, v *ledger.VerdictRecord) error {
		return tx.DeleteVerdict(v.Engine, v.Key().Hash)
	}); err != nil {
		return out, err
	}
	jobs := kind[ledger.Job, ledger.JobKey]{ledger.Tx.JobsAfter, func(j *ledger.Job) ledger.JobKey { return j.Key }}
	out.Jobs, err = drain(ctx, p, jobs, p.oldJob, ledger.Tx.Job, func(tx ledger.Tx, j *ledger.Job) error { return tx.DeleteJob(j.Key) })
	return out, err
}

// pruneBatch is how many records are forgotten in one transaction.
const pruneBatch = 100

// drain goes through the records of a kind and forgets those that are old. Each is
// read again in the transaction that forgets it: it may have been touched since.
func drain[R any, K comparable](ctx context.Context, p *pruner, k kind[R, K], old func(ledger.Tx, *R) (bool, error),
	get func(ledger.Tx, K) (*R, error), forget func(ledger.Tx, *R) error) (int, error) {
	total := 0
	var from K
	for more := true; more; {
		found, last, further, err := page(ctx, p.Service, k, from, old)
		if err != nil {
			return total, err
		}
		from, more = last, further
		if p.o.DryRun {
			total += len(found)
			continue
		}
		for len(found) > 0 {
			batch := found[:min(pruneBatch, len(found))]
			found = found[len(batch):]
			n := 0
			err := p.Store.Update(ctx, 2*len(batch), func(tx ledger.Tx) error {
				n = 0
				for _, was := range batch {
					r, err := get(tx, k.key(was))
					if err != nil {
						return err
					}
					if r == nil {
						continue
					}
					still, err := old(tx, r)
					if err != nil {
						return err
					}
					if !still {
						continue
					}
					if err := forget(tx, r); err != nil {
						return err
					}
					n++
				}
				return nil
			})
			if err != nil {
				return total, err
			}
			total += n
		}
	}
	return total, nil
}

// isOld reports whether nothing has happened to an alert since the cut-off, and
// nothing will.
func (p *pruner) isOld(a *ledger.Alert) bool {
	switch a.State {
	case ledger.AlertDone, ledger.AlertSkipped, ledger.AlertGone:
	default:
		return false
	}
	for _, t := range []time.Time{a.Created, a.Updated, a.Seen, a.NoteAt} {
		if t.After(p.cutoff) {
			return false
		}
	}
	return true
}

func (p *pruner) oldAlert(_ ledger.Tx, a *ledger.Alert) (bool, error) { return p.isOld(a), nil }

// forgetAlert forgets an alert, and that it wanted its files.
func (p *pruner) forgetAlert(tx ledger.Tx, a *ledger.Alert) error {
	for _, f := range a.Files {
		keys, err := p.jobKeys(tx, f.Hashes)
		if err != nil {
			return err
		}
		for _, job := range keys {
			if err := tx.Unwant(job, a.Key()); err != nil {
				return err
			}
		}
	}
	if err := unindexFindings(tx, a); err != nil {
		return err
	}
	return tx.DeleteAlert(a.Key())
}

// jobKeys gives every key that a file may be judged under.
func (s *Service) jobKeys(tx ledger.Tx, hs alert.Hashes) ([]ledger.JobKey, error) {
	if s.Scanner == nil || hs.Best() == "" {
		return nil, nil
	}
	all := hs.All()
	v, err := tx.Verdict(s.Scanner.Scope(), hs.Best())
	if err != nil {
		return nil, err
	}
	if v != nil {
		all = append(all, v.Verdict.All()...)
	}
	var out []ledger.JobKey
	for _, h := range all {
		out = append(out, ledger.JobKey{Engine: s.Scanner.Scope(), Hash: h})
	}
	return out, nil
}

func (p *pruner) oldEffect(_ ledger.Tx, e *ledger.Effect) (bool, error) {
	return (e.State == ledger.EffectDone || e.State == ledger.EffectRefused) && e.Changed.Before(p.cutoff), nil
}

// noteUse learns which files alerts that are not done with are about.
func (p *pruner) noteUse(ctx context.Context) error {
	busy := func(a *ledger.Alert) bool {
		return a.State != ledger.AlertDone && a.State != ledger.AlertSkipped && a.State != ledger.AlertGone
	}
	for a, err := range wanted(ctx, p.Service, alertKind(), busy) {
		if err != nil {
			return err
		}
		for _, f := range a.Files {
			for _, h := range f.All() {
				p.inUse.add(h)
			}
		}
	}
	return nil
}

func (p *pruner) oldVerdict(_ ledger.Tx, v *ledger.VerdictRecord) (bool, error) {
	if p.Believed(v) || v.Age(p.Now()) < p.o.OlderThan {
		return false, nil
	}
	for _, h := range v.Verdict.All() {
		if p.inUse.has(h) {
			return false, nil
		}
	}
	return true, nil
}

// oldJob reports whether a job is settled since the cut-off and no alert that is
// kept wanted it.
func (p *pruner) oldJob(tx ledger.Tx, j *ledger.Job) (bool, error) {
	if !j.Terminal() || j.Changed.After(p.cutoff) {
		return false, nil
	}
	for after := (ledger.AlertKey{}); ; {
		keys, err := tx.Wanting(j.Key, after, pruneBatch)
		if err != nil {
			return false, err
		}
		for _, k := range keys {
			a, err := tx.AlertAt(k)
			if err != nil || a != nil && !p.isOld(a) {
				return false, err
			}
			after = k
		}
		if len(keys) < pruneBatch {
			return true, nil
		}
	}
}
