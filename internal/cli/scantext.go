package cli

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/term"
	"edrc/internal/triage"
)

func printScans(ctx context.Context, a *app, out report.Options, files []triage.Judged, errs []error) error {
	l := report.List[triage.Judged]{Schema: "edrc.scans/v1", Columns: scanColumns(), Items: files, Errors: errs, Empty: "no file to scan"}
	return report.PrintAs(ctx, a.IO, out, l, newScanJSON)
}

func scanColumns() []report.Column[triage.Judged] {
	type row = triage.Judged
	verdict := func(r row) alert.Verdict {
		if r.Verdict == nil {
			return alert.Verdict{}
		}
		return *r.Verdict
	}
	return []report.Column[row]{
		{Name: "file", Value: func(v report.View, r row) string {
			if r.File.Name != "" {
				return r.File.Name
			}
			if h := string(r.File.Best()); !v.TTY || len(h) <= 16 {
				return h
			}
			return string(r.File.Best())[:12] + "…"
		}, Shrink: 2, Min: 12},
		{Name: "hash", Wide: true, Value: func(_ report.View, r row) string { return string(r.File.Best()) }, Shrink: 5, Min: 12},
		{Name: "ref", Wide: true, Value: func(_ report.View, r row) string {
			if r.Ref.ID == "" {
				return ""
			}
			return r.Ref.String()
		}, Shrink: 5},
		{Name: "verdict", Value: func(v report.View, r row) string {
			if r.Verdict == nil {
				return "none: " + forEye(v, pendingText(r))
			}
			return className(r.Verdict.Class)
		}, Flex: true, Shrink: 1, Min: 12, Style: func(s term.Style, r row, text string) string {
			return styleClass(s, verdict(r).Class, text)
		}},
		{Name: "detail", Wide: true, Value: func(_ report.View, r row) string { return strings.ReplaceAll(verdict(r).SubVerdict, "_", " ") }, Shrink: 4, Min: 8},
		{Name: "family", Value: func(_ report.View, r row) string { return verdict(r).Family }, Shrink: 1, Min: 8},
		{Name: "from", Value: func(v report.View, r row) string {
			if r.Verdict == nil {
				return ""
			}
			return fmt.Sprintf("%s, %s", r.From, report.Age(r.Age))
		}, Shrink: 3, Min: 8},
		{Name: "cost", Right: true, Value: func(_ report.View, r row) string { return fmt.Sprint(r.Cost) }},
		{Name: "link", Wide: true, Value: func(_ report.View, r row) string { return verdict(r).URL }, Shrink: 6, Min: 12},
	}
}

// pendingText says why a file has no verdict.
func pendingText(j triage.Judged) string {
	if j.Pending == "" && j.Err != nil {
		return "failed"
	}
	return j.Pending
}

// leftToSync counts the files that something is still under way for.
func leftToSync(files []triage.Judged) int {
	n := 0
	for _, j := range files {
		if j.Verdict == nil && j.Waits && (j.Err == nil || fault.Is(j.Err, fault.Interrupted)) {
			n++
		}
	}
	return n
}

// maxReasons bounds the reasons that stand under a table.
const maxReasons = 5

// wholeReasons tells the reasons that a table for the eye has cut short.
func wholeReasons(files []triage.Judged) (out []string) {
	for _, j := range files {
		_, rest, _ := strings.Cut(j.Pending, ":")
		if j.Verdict != nil || rest == "" {
			continue
		}
		if len(out) == maxReasons {
			return append(out, "… -o json has the others")
		}
		out = append(out, fileLabel(j.File)+": "+j.Pending)
	}
	return out
}

// scanFooter says what it cost and what is left.
func scanFooter(ctx context.Context, a *app, svc *triage.Service, files []triage.Judged, dryRun bool, carriesOn string) {
	spent := 0
	for _, j := range files {
		spent += j.Cost
	}
	if dryRun {
		a.say("dry run: %s would be spent", count(svc.Scanner.Priced(), "scan"))
		return
	}
	text := count(spent, "scan") + " spent"
	q, err := svc.Scanner.QuotaNow(ctx)
	if spent > 0 && err == nil && (q == nil || !q.Known) { // what a first scan leaves is worth a question
		q, err = svc.Scanner.RefreshQuota(ctx)
	}
	if err == nil && q != nil {
		text += quotaText(q)
	}
	a.say("%s", text)
	if n := leftToSync(files); n > 0 {
		a.say("%s not judged yet: %s", count(n, "file"), carriesOn)
	}
	if a.IO.OutTTY {
		for _, line := range wholeReasons(files) {
			a.say("%s", line)
		}
	}
	for _, j := range files {
		if j.Verdict != nil && j.Verdict.URL != "" && len(files) == 1 {
			a.say("%s", j.Verdict.URL)
		}
	}
}
