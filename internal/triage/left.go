package triage

import (
	"context"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// finish counts what is left.
func (r *syncer) finish(ctx context.Context) error {
	for _, s := range r.sum.Sources {
		r.sum.Alerts += s.Alerts
		r.sum.New += s.New
		r.sum.Notes += s.Notes
	}
	if r.trouble != nil && !fault.Is(r.trouble, fault.Interrupted) {
		r.sum.Errors = append(r.sum.Errors, SourceError{r.Scanner.Engine(), fault.At(r.trouble, r.Scanner.Engine(), "")})
	}
	r.sum.ScansSpent, r.sum.ScansPriced, r.sum.Uploaded = r.Scanner.Spent(), r.Scanner.Priced(), r.Scanner.Uploaded()
	err := r.Store.View(ctx, r.countLeft)
	if q, qerr := r.Scanner.QuotaNow(ctx); qerr == nil && q.Known && q.Limit >= 0 {
		left, _ := q.Left(0)
		r.sum.QuotaLeft, r.sum.QuotaLimit = &left, &q.Limit
	}
	r.sum.Took = r.Now().Sub(r.started)
	r.sum.Seconds = r.sum.Took.Seconds()
	return err
}

func (r *syncer) countLeft(tx ledger.Tx) error {
	clear(r.sum.Skipped)
	r.sum.NotesDue, r.sum.Quarantined, r.sum.ScansSaved = 0, 0, 0
	if err := r.countFiles(tx); err != nil {
		return err
	}
	for _, t := range r.targets {
		if t.sid == "" {
			continue
		}
		if err := r.countAlerts(tx, t); err != nil {
			return err
		}
	}
	r.sum.ScansSaved = max(0, r.sum.ScansSaved-r.sum.ScansSpent)
	for _, err := range tx.Quarantine() {
		if err != nil {
			return err
		}
		r.sum.Quarantined++
	}
	return nil
}

// countAlerts counts what became of one source's new alerts, and its queued notes.
// A new alert with a verdict would have been a scan without edrc.
func (r *syncer) countAlerts(tx ledger.Tx, t *target) error {
	for a, err := range tx.Alerts(t.sid, time.Time{}, time.Time{}) {
		if err != nil {
			return err
		}
		switch {
		case a.Seen.Before(r.started):
		case a.State == ledger.AlertSkipped:
			r.sum.Skipped[inShort(a.Reason)]++
		case a.Verdict != "":
			r.sum.ScansSaved++
		}
	}
	var after *ledger.Outgoing
	for {
		outs, err := tx.Outgoing(t.sid, after, chunk)
		if err != nil || len(outs) == 0 {
			return err
		}
		r.sum.NotesDue += len(outs)
		after = outs[len(outs)-1]
	}
}

// countFiles counts distinct files by what became of them: one file that alerts
// name by different hashes is one, once an alias is known.
func (r *syncer) countFiles(tx ledger.Tx) error {
	clear(r.sum.Waiting)
	r.sum.Failed, r.sum.QuotaShort = 0, false
	files := map[alert.Hash]ledger.Origin{}
	waiting := 0
	for j, err := range tx.Jobs(r.Scanner.Scope()) {
		if err != nil {
			return err
		}
		touched := r.touched.has(j.Key)
		switch {
		case j.State == ledger.JobFailed && touched:
			r.sum.Failed++
		case !j.Terminal():
			reason, _, _ := strings.Cut(waitReason(j), ":")
			r.sum.Waiting[reason]++
			r.sum.QuotaShort = r.sum.QuotaShort || reason == scan.ReasonQuota
			if touched {
				waiting++
			}
		case touched && j.State == ledger.JobJudged:
			v, err := tx.Verdict(j.Key.Engine, j.Key.Hash)
			if err != nil {
				return err
			}
			h, from := j.Key.Hash, j.From
			if v != nil {
				h = v.Verdict.Best()
			}
			if j.Changed.Before(r.started) {
				from = ledger.Remembered
			}
			if old, ok := files[h]; !ok || old == ledger.Remembered || from == ledger.Scanned {
				files[h] = from
			}
		}
	}
	r.sum.Scanned, r.sum.LookedUp, r.sum.Remembered = 0, 0, 0
	for _, from := range files {
		switch from {
		case ledger.Scanned:
			r.sum.Scanned++
		case ledger.LookedUp:
			r.sum.LookedUp++
		default:
			r.sum.Remembered++
		}
	}
	r.sum.Files = len(files) + waiting + r.sum.Failed
	return nil
}

// inShort gives the first words of a reason, which many share: "withheld: not
// uploaded", without the type or size that decided.
func inShort(reason string) string {
	head, rest, ok := strings.Cut(reason, ": ")
	if !ok {
		return reason
	}
	if i := strings.IndexAny(rest, ":,"); i >= 0 {
		rest = rest[:i]
	}
	return head + ": " + rest
}

// doubtful is said of a paid request whose outcome is unknown.
const doubtful = "submit in doubt"

// waitReason says in a few words what an unfinished job waits for.
func waitReason(j *ledger.Job) string {
	switch {
	case j.Reason != "":
		return j.Reason
	case j.State == ledger.JobAnalysing:
		return scan.ReasonRunning
	case j.State == ledger.JobSubmitting:
		return doubtful
	}
	return "not asked yet"
}
