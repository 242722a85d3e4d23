package triage

import (
	"slices"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
)

// Reasons an alert is skipped for, as users read them.
const (
	SkipClosed = "closed"
	SkipNoFile = "no file"
	SkipNoHash = "no usable hash"
)

// sighting is what became of one alert that was read.
type sighting int

const (
	unchanged sighting = iota
	fresh              // never seen before
	changed            // its facts changed: judged again
)

// known reports whether the alert is remembered with the same facts, so that
// reading it again means no work. Our own notes move a product's updated time;
// they do not come past here.
func known(tx ledger.Tx, src source.Source, a *alert.Alert) (bool, error) {
	rec, err := tx.Alert(a.Handle.Source, a.ID)
	if err != nil || rec == nil {
		return false, err
	}
	return rec.Digest == a.Digest() && rec.Name == src.Name() && rec.State != ledger.AlertGone &&
		rec.Severity == a.Severity && rec.Status == a.Status && rec.Repeats == a.Repeats && rec.OtherID == a.OtherID &&
		slices.EqualFunc(rec.Resources, a.Resources, alert.Resource.Equal), nil
}

// ingest remembers an alert that was read, and starts what it needs.
func (s *Service) ingest(tx ledger.Tx, src source.Source, a *alert.Alert, sawFile func(ledger.JobKey)) (sighting, error) {
	rec, err := tx.Alert(a.Handle.Source, a.ID)
	if err != nil {
		return unchanged, err
	}
	digest := a.Digest()
	saw := changed
	switch {
	case rec == nil:
		rec, saw = &ledger.Alert{Created: a.Created, Seen: s.Now()}, fresh
	case rec.Digest == digest && rec.State != ledger.AlertGone:
		saw = unchanged
	}
	describe(rec, src, a, digest)
	if err := indexFindings(tx, rec); err != nil {
		return saw, err
	}
	if saw == unchanged { // only its name, severity or workflow moved
		return saw, tx.PutAlert(rec)
	}
	if reason := notOurs(a); reason != "" {
		if err := rec.Move(ledger.AlertSkipped, reason); err != nil {
			return saw, err
		}
		return saw, s.indexClosed(tx, rec)
	}
	if err := rec.Move(ledger.AlertOpen, ""); err != nil {
		return saw, err
	}
	return saw, s.judgeFiles(tx, rec, sawFile)
}

// judgeFiles asks for a verdict on every file of an open alert, and says on it
// what can be said already.
func (s *Service) judgeFiles(tx ledger.Tx, rec *ledger.Alert, sawFile func(ledger.JobKey)) error {
	for _, f := range rec.Files {
		job, _, err := s.Scanner.Want(tx, scan.Wish{File: f, Severity: rec.Severity, Alert: rec.Handle, Known: true})
		if err != nil {
			return err
		}
		if job == nil {
			continue
		}
		if sawFile != nil {
			sawFile(job.Key)
		}
		if err := tx.Want(job.Key, rec.Key()); err != nil {
			return err
		}
	}
	if err := s.evaluate(tx, rec); err != nil {
		return err
	}
	return tx.PutAlert(rec)
}

// describe copies what the product says now; Created stays what it was first.
func describe(rec *ledger.Alert, src source.Source, a *alert.Alert, digest string) {
	created := rec.Created
	rec.Handle = a.Handle
	rec.Name, rec.Kind = src.Name(), src.Kind()
	rec.Digest = digest
	rec.Title, rec.Severity, rec.Status = a.Title, a.Severity, a.Status
	rec.Created, rec.Updated = created, a.Updated
	rec.Host, rec.User, rec.Files = a.Host, a.User, a.Files
	rec.Attack, rec.URL, rec.Resources = a.Attack, a.URL, a.Resources
	rec.Repeats, rec.OtherID = a.Repeats, a.OtherID
}

// notOurs gives the reason why sync leaves an alert alone, "" when it does not.
// No such reason is final: a changed digest re-opens the alert.
func notOurs(a *alert.Alert) string {
	if a.Status.Closed() {
		return SkipClosed
	}
	if len(a.Files) == 0 {
		return SkipNoFile
	}
	for _, f := range a.Files {
		if f.Best() != "" {
			return ""
		}
	}
	return SkipNoHash
}
