package scan

import (
	"context"
	"errors"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// open takes the archive from the product, checks its bytes, and keeps it: wrong
// bytes never cost a scan.
func (s *Scanner) open(ctx context.Context, job *ledger.Job, src source.Source, from source.Fetcher, t source.Ticket) error {
	password, err := s.password(job.Fetch)
	if err != nil {
		return &fetchError{err: err}
	}
	spool, err := s.fetching.Spool(true)
	if err != nil {
		return &fetchError{err: err}
	}
	a, err := from.OpenFetch(ctx, t, password, spool)
	if err != nil {
		return s.notOpened(ctx, job, src.Name(), err)
	}
	defer a.Close()
	got, err := inspect(ctx, job, a)
	if err == nil {
		err = spool.Keep(ctx, a, keptKey(job.Key))
	}
	if err != nil {
		return s.notOpened(ctx, job, "", err)
	}
	return s.kept(ctx, job, got, src.Name())
}

// inspect finds the file in the archive, hashes it, and compares it with what is
// wanted.
func inspect(ctx context.Context, job *ledger.Job, a *sample.Archive) (sample.Contents, error) {
	return sample.Inspect(ctx, a, sample.Limits{}, alert.NewHashes(string(job.Key.Hash)))
}

// notOpened tells what is the archive's fault from what is the product's, or this
// side's: whose is its name.
func (s *Scanner) notOpened(ctx context.Context, job *ledger.Job, whose string, err error) error {
	switch sample.ProblemOf(err) {
	case sample.Damaged, sample.WrongPassword:
		return s.bad(ctx, job, err)
	case sample.WrongBytes, sample.Hostile, sample.Unreadable, sample.NoFile, sample.NotSupported, sample.TooLarge:
		return s.useless(ctx, job, err.Error())
	case sample.Full:
		return &fetchError{err: err}
	}
	if fault.Is(err, fault.Gone) { // expired since the look
		return s.bad(ctx, job, err)
	}
	return &fetchError{source: whose, err: err}
}

// bad asks for another archive, under another password, a few times.
func (s *Scanner) bad(ctx context.Context, job *ledger.Job, cause error) error {
	if job.Fetch.Bad+1 >= maxBad {
		return s.useless(ctx, job, cause.Error())
	}
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		f := j.Fetch.Copy()
		f.Restart()
		f.Bad, f.Attempt = f.Bad+1, f.Attempt+1
		j.Fetch, j.Claim = f, j.Claim.Release()
		return j.Move(ledger.JobFetching, ReasonFetching+": again, "+cause.Error(), s.now().Add(s.pollPause(0)))
	})
}

// kept records that the archive waits on the spool, and what its file really is;
// the ladder then begins again, with the file in hand. What may not be sent, or the
// engine never takes, ends here.
func (s *Scanner) kept(ctx context.Context, job *ledger.Job, got sample.Contents, from string) error {
	about := ledger.Fetch{From: from, Name: got.Name, Size: got.Size, Type: string(got.Type)}
	var err error
	if s.refuses(&about) != "" {
		err = s.withhold(ctx, job, about)
	} else {
		err = s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
			f := j.Fetch.Copy()
			f.Kept, f.Tries, f.Ticket = true, 0, nil // Bad counts on: the spool may lose it
			f.From, f.Name, f.Size, f.Type = about.From, about.Name, about.Size, about.Type
			j.Fetch, j.Claimed = f, got.Hashes
			if got.Size > s.engine.(Uploader).MaxUpload() {
				return s.neverTaken(tx, j, "the file is larger than the engine takes")
			}
			return s.fromTheTop(j)
		})
	}
	if err == nil {
		s.dropKept(job, true)
	}
	return err
}

// neverTaken remembers that the engine does not analyse such a file.
func (s *Scanner) neverTaken(tx ledger.Tx, j *ledger.Job, why string) error {
	v := alert.Verdict{Engine: s.Engine(), Class: alert.NotSupported, Reason: why}
	v.Hashes = alert.NewHashes(string(j.Key.Hash))
	if j.Kept() {
		v.Hashes = j.Claimed // of its bytes
	}
	v.Weak = v.SHA256 == ""
	return s.finish(tx, j, &ledger.VerdictRecord{Engine: s.Scope(), Verdict: v, Learned: s.now()}, ledger.LookedUp)
}

// errRefetch says that the archive is not on the spool any more: nothing was sent.
var errRefetch = errors.New("the archive is not on the spool any more")

// upload sends the file that waits on the spool. The scan is reserved.
func (s *Scanner) upload(ctx context.Context, job *ledger.Job) (Submission, error) {
	spool, err := s.fetching.Spool(true)
	if err != nil {
		return Submission{}, notSent(err)
	}
	password, err := s.password(job.Fetch)
	if err != nil {
		return Submission{}, notSent(err)
	}
	a, err := spool.OpenKept(keptKey(job.Key), password)
	if err != nil {
		if sample.ProblemOf(err) != "" {
			return Submission{}, errRefetch
		}
		return Submission{}, notSent(err)
	}
	defer a.Close()
	got, err := inspect(ctx, job, a) // a disk may have changed it
	if sample.ProblemOf(err) != "" {
		return Submission{}, errRefetch
	}
	if err != nil {
		return Submission{}, notSent(err)
	}
	if alone(a, got) {
		sub, err := s.send(ctx, job, a, got)
		if !fault.Is(err, fault.Invalid) {
			return sub, err
		}
		// It cannot be opened there; what is packed here, perhaps.
	}
	single, err := spool.Single(ctx, a, sample.Limits{}, got)
	if err != nil {
		return Submission{}, notSent(err)
	}
	defer single.Close()
	return s.send(ctx, job, single, got)
}

// send uploads one archive, if the claim is still ours.
func (s *Scanner) send(ctx context.Context, job *ledger.Job, a *sample.Archive, c sample.Contents) (Submission, error) {
	if err := s.stillOurs(ctx, job); err != nil {
		return Submission{}, err
	}
	return s.engine.(Uploader).SubmitFile(ctx, Upload{Name: c.Name, Open: a.Open, Size: a.RawSize(), Password: a.Password()})
}

// alone reports whether an archive may go to the engine as it is: an encrypted zip
// with nothing but the file.
func alone(a *sample.Archive, c sample.Contents) bool {
	return a.Format() == sample.Zip && c.Files == 1 && c.Encrypted && !c.Manifest
}

// notSent marks an error of this side: the engine was certainly not asked.
func notSent(err error) error {
	if err == nil || fault.Is(err, fault.Interrupted) {
		return err
	}
	return &fetchError{err: fault.New(fault.Unavailable, "nothing was uploaded: %w", err)}
}

// dropKept takes the archive off the spool once the job needs it no more.
func (s *Scanner) dropKept(job *ledger.Job, had bool) {
	if !had || job.Kept() || s.fetching == nil || s.policy.DryRun { // a dry run has a copy of the store, and no spool of its own
		return
	}
	if spool, err := s.fetching.Spool(false); err == nil && spool != nil {
		_ = spool.Drop(keptKey(job.Key)) // else the next Tidy does
	}
}

// keepAfter is how old an archive must be that no job knows of to be removed:
// another process may be about to say so.
const keepAfter = time.Hour

// Tidy removes archives from the spool that no job needs any more: a process may
// have been killed between its last commit and the removal.
func (s *Scanner) Tidy(ctx context.Context) error {
	if s.fetching == nil || s.policy.DryRun {
		return nil
	}
	spool, err := s.fetching.Spool(false)
	if err != nil || spool == nil {
		return err
	}
	needed := map[string]struct{}{}
	err = s.store.View(ctx, func(tx ledger.Tx) error {
		clear(needed)
		for j, err := range tx.Jobs(s.Scope()) {
			if err != nil {
				return err
			}
			if j.Kept() && !j.Terminal() {
				needed[sample.KeyDigest(keptKey(j.Key))] = struct{}{}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = spool.Sweep(func(k sample.Kept) bool {
		_, is := needed[k.Digest]
		return !is && s.now().Sub(k.Since) >= keepAfter
	})
	return err
}
