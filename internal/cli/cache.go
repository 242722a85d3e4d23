package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/scan"
	"edrc/internal/store"
	"edrc/internal/triage"
)

func newCache(a *app) *cobra.Command {
	return group("cache", "What is remembered: verdicts, alerts, file jobs, notes", newCacheStats(a), newCacheList(a), newCacheGet(a), newCacheExplain(a),
		newCachePrune(a), newCacheCompact(a), newCacheExport(a), newCacheImport(a))
}

// statsJSON is the store in numbers: schema edrc.cache.stats/v1.
type statsJSON struct {
	Path   string         `json:"path"`
	Schema string         `json:"schema"`
	Bytes  int64          `json:"bytes"`
	Counts map[string]int `json:"counts"`
}

func newCacheStats(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "How much is remembered, and where", Example: "  edrc cache stats",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, out, err := a.storeOnly(cmd)
			if err != nil {
				return err
			}
			st, err := db.Stats(cmd.Context())
			if err != nil {
				return err
			}
			if out.Structured() {
				j := statsJSON{Path: st.Path, Schema: st.Schema, Bytes: st.Bytes, Counts: map[string]int{}}
				for _, c := range st.Counts {
					j.Counts[c.Kind] = c.N
				}
				return report.Object(cmd.Context(), a.IO, out, "edrc.cache.stats/v1", j)
			}
			return statsCard(a, st)
		},
	}
}

func statsCard(a *app, st store.Stats) error {
	rows := []report.Row{{Label: "file", Lines: []string{fmt.Sprintf("%s, %s", st.Path, triage.Bytes(st.Bytes))}}}
	if st.Schema == "" {
		rows = append(rows, report.Row{Label: "", Lines: []string{"nothing is remembered yet"}})
	}
	for _, c := range st.Counts {
		if c.N > 0 || a.verbose {
			rows = append(rows, report.Row{Label: c.Kind, Lines: []string{fmt.Sprint(c.N)}})
		}
	}
	return report.Card(a.IO, "Store", st.Schema, rows)
}

func newCacheGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get HASH…", Short: "The remembered verdicts of files; asks nobody", Example: "  edrc cache get 3f0c9a…",
		Args: atLeast(1, "a hash"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, report.Names(scanColumns()), serviceOptions{})
			if err != nil {
				return err
			}
			var rows []triage.Judged
			missing := 0
			for _, arg := range args {
				h, err := alert.ParseHash(arg)
				if err != nil {
					return fault.Usagef("%v", err)
				}
				e, err := svc.Explain(cmd.Context(), h)
				if err != nil {
					return err
				}
				j := triage.Judged{File: alert.File{Hashes: alert.NewHashes(string(h))}, Pending: "not remembered"}
				if e.Verdict != nil {
					v := e.Verdict.Verdict
					j.Verdict, j.From, j.Learned, j.Age, j.Pending = &v, ledger.Remembered, e.Verdict.Learned, e.Verdict.Age(a.Now()), ""
				} else {
					missing++
				}
				rows = append(rows, j)
			}
			if err := printScans(cmd.Context(), a, out, rows, nil); err != nil {
				return err
			}
			if missing == len(args) {
				return exitError(fault.ExitNotFound)
			}
			return nil
		},
	}
}

func newCacheExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "explain HASH", Short: "Why a file has the verdict it has, or none yet; which alerts name it",
		Example: "  edrc cache explain 3f0c9a…", Args: exact(1, "a hash"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := alert.ParseHash(args[0])
			if err != nil {
				return fault.Usagef("%v", err)
			}
			svc, out, err := a.begin(cmd, nil, serviceOptions{})
			if err != nil {
				return err
			}
			e, err := svc.Explain(cmd.Context(), h)
			if err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.explanation/v1", e)
			}
			return explainCard(a, e)
		},
	}
}

func explainCard(a *app, e *triage.Explanation) error {
	right := "never asked for"
	var rows []report.Row
	if v := e.Verdict; v != nil {
		right = className(v.Verdict.Class)
		life := "believed still"
		if !e.Fresh {
			life = "too old to be believed: asked again when an alert names it"
		}
		rows = append(rows,
			report.Row{Label: "verdict", Lines: []string{verdictLine(triage.FileView{Verdict: &v.Verdict, From: ledger.Remembered, Learned: v.Learned}, a)}},
			report.Row{Label: "age", Lines: []string{fmt.Sprintf("%s, %s", report.Age(v.Age(a.Now())), life)}},
			report.Row{Label: "report", Lines: lines(v.Verdict.URL), Whole: true},
			report.Row{Label: "hashes", Lines: hashLines(v.Verdict.Hashes), Whole: true})
	}
	if j := e.Job; j != nil {
		if e.Verdict == nil {
			right = string(j.State)
		}
		line := string(j.State)
		if j.Reason != "" {
			line += ": " + j.Reason
		}
		if j.From != "" {
			line += ", " + string(j.From)
		}
		if j.NextTry.After(a.Now()) {
			line += ", next try " + j.NextTry.UTC().Format(time.RFC3339)
		}
		rows = append(rows, report.Row{Label: "job", Lines: []string{line}},
			report.Row{Label: "analysis", Lines: lines(j.AnalysisID)})
	}
	var refs []string
	for _, r := range e.Alerts {
		refs = append(refs, r.String())
	}
	rows = append(rows, report.Row{Label: "alerts", Lines: refs, Whole: true})
	return report.Card(a.IO, string(e.Hash), right, rows)
}

func hashLines(hs alert.Hashes) []string {
	var out []string
	for _, h := range hs.All() {
		out = append(out, fmt.Sprintf("%s %s", h.Algo(), h))
	}
	return out
}

// quotaJSON is what may still be scanned: schema edrc.quota/v1.
type quotaJSON struct {
	Engine      string    `json:"engine"`
	Known       bool      `json:"known"`
	Limit       *int64    `json:"limit"` // null: unlimited or unknown
	Usage       int64     `json:"usage"`
	Left        *int      `json:"left"`
	Period      string    `json:"period,omitempty"`
	Budget      int       `json:"daily_budget,omitempty"`
	SpentToday  int       `json:"spent_today"`
	ClosedUntil time.Time `json:"closed_until,omitzero"`
	Waiting     int       `json:"files_waiting_for_quota"`
}

func newQuota(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "quota", Short: "How many scans are left, here and at the engine", Example: "  edrc quota",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			svc, out, err := a.begin(cmd, nil, serviceOptions{judges: true})
			if err != nil {
				return err
			}
			q, err := svc.Scanner.RefreshQuota(cmd.Context())
			if err != nil {
				return err
			}
			j := quotaJSON{Engine: svc.Scanner.Engine(), Known: q.Known, Usage: q.Usage, Period: q.Type, Budget: a.cfg.Scan.DailyBudget,
				SpentToday: q.Spent, ClosedUntil: q.ClosedUntil}
			if q.Known && q.Limit >= 0 {
				j.Limit = &q.Limit
			}
			if left, limited := q.Left(j.Budget); limited {
				j.Left = &left
			}
			if j.Waiting, err = waitingForQuota(cmd, svc); err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.quota/v1", j)
			}
			return quotaCard(a, j)
		},
	}
}

func waitingForQuota(cmd *cobra.Command, svc *triage.Service) (int, error) {
	n := 0
	err := svc.Store.View(cmd.Context(), func(tx ledger.Tx) error {
		n = 0
		for j, err := range tx.Jobs(svc.Scanner.Scope()) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(j.Reason, scan.ReasonQuota) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func quotaCard(a *app, q quotaJSON) error {
	right := "unknown"
	switch {
	case q.Left != nil:
		right = count(*q.Left, "scan") + " left"
	case q.Known:
		right = "unlimited"
	}
	var rows []report.Row
	if q.Limit != nil {
		rows = append(rows, report.Row{Label: "engine", Lines: []string{fmt.Sprintf("%d of %d used (%s)", q.Usage, *q.Limit, q.Period)}})
	}
	budget := "none set (scan.daily_budget)"
	if q.Budget > 0 {
		budget = fmt.Sprintf("%d a day", q.Budget)
	}
	rows = append(rows, report.Row{Label: "budget", Lines: []string{budget}},
		report.Row{Label: "today", Lines: []string{count(q.SpentToday, "scan") + " spent by edrc since 00:00 UTC"}})
	if q.Waiting > 0 {
		rows = append(rows, report.Row{Label: "waiting", Lines: []string{count(q.Waiting, "file") + " for quota"}})
	}
	if !q.ClosedUntil.IsZero() {
		rows = append(rows, report.Row{Label: "closed", Lines: []string{"until " + q.ClosedUntil.UTC().Format(time.RFC3339) + ": the engine said that nothing is left"}})
	}
	return report.Card(a.IO, q.Engine, right, rows)
}
