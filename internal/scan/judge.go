package scan

import (
	"cmp"
	"context"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// judge completes the analysis and stores the verdict.
func (s *Scanner) judge(ctx context.Context, job *ledger.Job, a Analysis, from ledger.Origin) error {
	v, err := s.engine.Detail(ctx, a)
	if err != nil {
		return err
	}
	v.Engine = s.Engine()
	v.Name = cmp.Or(job.Name, v.Name) // the engine may know the name of an archive only
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
	j.Attempts, j.Failures, j.Fetch = 0, 0, nil
	if err := j.Move(ledger.JobJudged, "", time.Time{}); err != nil {
		return err
	}
	return tx.PutFanout(j.Key, ledger.AlertKey{})
}
