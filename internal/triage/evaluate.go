package triage

import (
	"context"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// fileState is what is known about one file of an alert.
type fileState struct {
	File    alert.File
	Job     *ledger.Job           // nil: no usable hash
	Verdict *ledger.VerdictRecord // nil: not judged
}

// files reads the state of every file of an alert, most telling role first.
func (s *Service) files(tx ledger.Tx, rec *ledger.Alert) ([]fileState, error) {
	var out []fileState
	for _, f := range rec.Files {
		st, err := s.fileState(tx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	roles := []alert.Role{alert.RoleThreat, alert.RoleImage, alert.RoleModule}
	slices.SortStableFunc(out, func(a, b fileState) int {
		return slices.Index(roles, a.File.Role) - slices.Index(roles, b.File.Role)
	})
	return out, nil
}

func (s *Service) fileState(tx ledger.Tx, f alert.File) (fileState, error) {
	st := fileState{File: f}
	best := f.Best()
	if best == "" || s.Scanner == nil { // no engine is configured: nothing can be known
		return st, nil
	}
	v, err := tx.Verdict(s.Scanner.Scope(), best)
	if err != nil {
		return st, err
	}
	key := ledger.JobKey{Engine: s.Scanner.Scope(), Hash: best}
	if v != nil {
		key.Hash = v.Verdict.Best()
	}
	if st.Job, err = tx.Job(key); err != nil {
		return st, err
	}
	if st.Job == nil && key.Hash != best { // the job was made before the alias was known
		key.Hash = best
		if st.Job, err = tx.Job(key); err != nil {
			return st, err
		}
	}
	// A verdict counts once its job is judged: one that is being refreshed does not.
	// When the refresh has failed, what may still be believed is.
	if st.Job == nil || st.Job.State == ledger.JobJudged || st.Job.Terminal() && s.Scanner.Fresh(v, 0) {
		st.Verdict = v
	}
	return st, nil
}

// worst gives the file with the worst verdict, and whether any is still awaited.
// Of several equally bad ones the smallest SHA-256 wins, so that every machine
// picks the same one.
func worst(files []fileState) (w *fileState, awaited bool) {
	for i := range files {
		f := &files[i]
		switch {
		case f.Job != nil && !f.Job.Terminal():
			awaited = true
		case f.Verdict == nil:
		case w == nil || f.Verdict.Verdict.Class.WorseThan(w.Verdict.Verdict.Class),
			f.Verdict.Verdict.Class == w.Verdict.Verdict.Class && f.Verdict.Verdict.Best() < w.Verdict.Verdict.Best():
			w = f
		}
	}
	return w, awaited
}

// evaluate decides what an open alert is waiting for: its files, its note, or
// nothing. A note is due when the last file is judged, or at once on malicious;
// another one only when the worst class has become worse.
func (s *Service) evaluate(tx ledger.Tx, rec *ledger.Alert) error {
	files, err := s.files(tx, rec)
	if err != nil {
		return err
	}
	w, awaited := worst(files)
	if awaited && (w == nil || w.Verdict.Verdict.Class != alert.Malicious) {
		return rec.Move(ledger.AlertOpen, "")
	}
	if w == nil {
		return s.withoutVerdict(tx, rec, files)
	}
	v := w.Verdict.Verdict
	rec.Verdict, rec.Family = v.Class, v.Family
	if !v.Class.WorseThan(rec.Noted) {
		return rec.Move(ledger.AlertDone, rec.Reason)
	}
	if rec.Note == "" || s.Settings.NotesOff {
		return rec.Move(ledger.AlertDone, "no note: "+noNoteReason(rec))
	}
	if direct, err := s.teller(tx, rec); err != nil || direct != nil {
		return repeated(rec, direct, err)
	}
	if err := rec.Move(ledger.AlertOpen, ""); err != nil {
		return err
	}
	rec.Marker = verdictMarker(v)
	return tx.PutOutgoing(&ledger.Outgoing{Alert: rec.Key(), Marker: rec.Marker, Class: v.Class})
}

// withoutVerdict ends an alert whose files are all given up. That a file could not be
// had in all the time it was asked for is said on the alert, once; other reasons
// stand in the alert's record alone.
func (s *Service) withoutVerdict(tx ledger.Tx, rec *ledger.Alert, files []fileState) error {
	why := unjudged(files)
	f := withoutFile(files)
	if f == nil || rec.Note == "" || s.Settings.NotesOff {
		return rec.Move(ledger.AlertSkipped, why)
	}
	if direct, err := s.teller(tx, rec); err != nil || direct != nil {
		return repeated(rec, direct, err)
	}
	marker := noFileMarker(s.Scanner.Engine(), f)
	if rec.State == ledger.AlertDone && rec.Marker == marker {
		return nil
	}
	if err := rec.Move(ledger.AlertOpen, why); err != nil {
		return err
	}
	rec.Marker = marker
	return tx.PutOutgoing(&ledger.Outgoing{Alert: rec.Key(), Marker: marker})
}

// repeated ends an alert whose verdict is told on the finding that it repeats.
func repeated(rec, direct *ledger.Alert, err error) error {
	if err != nil {
		return err
	}
	return rec.Move(ledger.AlertDone, "no note: it repeats "+direct.Ref().String()+", which is told")
}

// withoutFile gives the first file that could not be had; nil when there is none.
func withoutFile(files []fileState) *fileState {
	for i, f := range files {
		if f.Job != nil && f.Job.State == ledger.JobFailed && strings.HasPrefix(f.Job.Reason, scan.NoFile) {
			return &files[i]
		}
	}
	return nil
}

// noFileMarker names the content of a note that tells that f could not be had.
func noFileMarker(engine string, f *fileState) string {
	return ledger.Marker(ledger.PurposeNoFile, ledger.NoFileSubject(engine, f.Job.Key.Hash))
}

// verdictMarker names the content of a note that tells v.
func verdictMarker(v alert.Verdict) string {
	return ledger.Marker(ledger.PurposeVerdict, ledger.VerdictSubject(v.Engine, v.Class, v.Best()))
}

func noNoteReason(rec *ledger.Alert) string {
	if rec.Note == "" {
		return "the product cannot annotate it"
	}
	return "notes are off"
}

// unjudged says why an alert whose files are all given up has no verdict.
func unjudged(files []fileState) string {
	for _, f := range files {
		if f.Job != nil && f.Job.Reason != "" {
			return string(f.Job.State) + ": " + f.Job.Reason
		}
	}
	return SkipNoHash
}

// fanoutBatch bounds the alerts told of a verdict in one transaction.
const fanoutBatch = 200

// fanout tells waiting alerts of the verdicts that came in, a batch at a time,
// and gives how many alerts it looked at. A crash resumes where it stopped.
func (s *Service) fanout(ctx context.Context, stop func() bool) (int, error) {
	total := 0
	for !stop() {
		n, err := s.fanoutOnce(ctx)
		total += n
		if err != nil || n < 0 {
			return max(total, 0), err
		}
		if n == 0 {
			return total, nil
		}
	}
	return total, nil
}

func (s *Service) fanoutOnce(ctx context.Context) (int, error) {
	pending := false
	err := s.Store.View(ctx, func(tx ledger.Tx) error {
		f, err := tx.Fanouts(s.Scanner.Scope(), 1)
		pending = len(f) > 0
		return err
	})
	if err != nil || !pending {
		return 0, err
	}
	told := 0
	err = s.Store.Update(ctx, fanoutBatch, func(tx ledger.Tx) error {
		told = 0
		fans, err := tx.Fanouts(s.Scanner.Scope(), fanoutBatch)
		if err != nil {
			return err
		}
		for _, f := range fans {
			n, err := s.tell(tx, f, fanoutBatch-told)
			if err != nil {
				return err
			}
			told += max(n, 1) // a fan-out with nobody waiting is progress too
			if told >= fanoutBatch {
				return nil
			}
		}
		return nil
	})
	return told, err
}

// tell evaluates at most n of the alerts that want a judged file.
func (s *Service) tell(tx ledger.Tx, f ledger.Fanout, n int) (int, error) {
	keys, err := tx.Wanting(f.Job, f.After, n)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		rec, err := tx.AlertAt(k)
		if err != nil {
			return 0, err
		}
		if rec == nil || !wakes(rec) {
			continue
		}
		if err := s.evaluate(tx, rec); err != nil {
			return 0, err
		}
		if err := tx.PutAlert(rec); err != nil {
			return 0, err
		}
	}
	if len(keys) < n {
		return len(keys), tx.DeleteFanout(f.Job)
	}
	return len(keys), tx.PutFanout(f.Job, keys[len(keys)-1])
}

// wakes reports whether a new verdict matters to an alert: to an open one, to one
// that was done (its verdict may be refreshed), and to one whose file was given up.
func wakes(rec *ledger.Alert) bool {
	switch rec.State {
	case ledger.AlertOpen, ledger.AlertDone:
		return true
	case ledger.AlertSkipped:
		return rec.Reason != SkipClosed && rec.Reason != SkipNoFile && rec.Reason != SkipNoHash
	}
	return false
}

// WaitsFor says in words what an alert is waiting for, "" when for nothing.
func WaitsFor(files []FileView, now time.Time) string {
	for _, f := range files {
		if f.State == ledger.JobJudged || f.State == "" {
			continue
		}
		text := string(f.State)
		if f.Reason != "" {
			text = f.Reason
		}
		if f.NextTry.After(now) {
			text += ", next try " + f.NextTry.UTC().Format("15:04 UTC")
		}
		return text
	}
	return ""
}
