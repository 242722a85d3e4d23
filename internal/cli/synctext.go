package cli

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/respond"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// syncText says what a sync did, what it left and what it cost: a line each, of
// what there is to say.
func syncText(s *triage.Summary) []string {
	if s.DryRun {
		return []string{dryText(s), strings.TrimSpace("Nothing was written or spent" + leftOfQuota(s) + ".  " + tookText(s))}
	}
	out := []string{didText(s)}
	if left := leftText(s); left != "" {
		out = append(out, left)
	}
	return append(out, fmt.Sprintf("%s spent, %d saved%s.  %s", count(s.ScansSpent, "scan"), s.ScansSaved, leftOfQuota(s), tookText(s)))
}

// endedText says which accepted actions turned out to be done.
func endedText(ended []*respond.Action) string {
	parts := make([]string, len(ended))
	for i, act := range ended {
		what := string(act.Verb)
		if act.Of != "" {
			what = "undo " + act.Of + " on"
		}
		parts[i] = fmt.Sprintf("%s (%s %s)", act.ID, what, act.Target.Label())
	}
	return "Done now: " + strings.Join(parts, ", ") + "."
}

func didText(s *triage.Summary) string {
	if s.New == 0 && s.Files == 0 && s.Notes == 0 {
		return count(s.Alerts, "alert") + ", none new."
	}
	text := fmt.Sprintf("%s (%d new), %s", count(s.Alerts, "alert"), s.New, count(s.Files, "file"))
	if files := filesText(s); files != "" {
		text += ": " + files
	}
	if s.Uploaded > 0 {
		text += fmt.Sprintf(" (%d fetched and uploaded)", s.Uploaded)
	}
	return text + ". " + count(s.Notes, "note") + " posted."
}

func filesText(s *triage.Summary) string {
	return tallyText(map[string]int{"remembered": s.Remembered, "looked up": s.LookedUp, "scanned": s.Scanned, "failed": s.Failed})
}

// dryText prices the run. A file that alerts name by different hashes counts once
// for each until it is known to be one, so the price is an upper bound.
func dryText(s *triage.Summary) string {
	text := fmt.Sprintf("Dry run: %s (%d new), %s", count(s.Alerts, "alert"), s.New, count(s.Files, "file"))
	if files := filesText(s); files != "" {
		text += ": " + files
	}
	text += ". It would spend "
	if s.ScansPriced > 0 {
		text += "at most "
	}
	return text + count(s.ScansPriced, "scan") + "; " + count(s.NotesDue, "note") + " could be posted now."
}

func leftText(s *triage.Summary) string {
	var left []string
	if n := total(s.Waiting); n > 0 {
		left = append(left, fmt.Sprintf("%s waiting: %s.", count(n, "file"), tallyText(s.Waiting)))
	}
	if n := total(s.Skipped); n > 0 {
		left = append(left, fmt.Sprintf("%s skipped: %s.", count(n, "alert"), tallyText(s.Skipped)))
	}
	if s.NotesDue > 0 {
		left = append(left, fmt.Sprintf("%s still due.", count(s.NotesDue, "note")))
	}
	if s.Quarantined > 0 {
		left = append(left, fmt.Sprintf("%d quarantined: edrc quarantine list", s.Quarantined))
	}
	return strings.Join(left, "  ")
}

func leftOfQuota(s *triage.Summary) string {
	if s.QuotaLeft == nil || s.QuotaLimit == nil {
		return ""
	}
	return fmt.Sprintf(", %d of %d left", *s.QuotaLeft, *s.QuotaLimit)
}

func tookText(s *triage.Summary) string {
	text := s.Took.Round(100 * time.Millisecond).String()
	if s.Stopped != "" {
		text += "  stopped: " + s.Stopped
	}
	return text
}

// sourceLines tells of sources with something unusual, and with --verbose of all.
func sourceLines(s *triage.Summary, verbose bool) []string {
	var out []string
	for _, src := range s.Sources {
		if src.Busy != "" {
			out = append(out, fmt.Sprintf("%s: %s", src.Source, src.Busy))
		}
		if !verbose && src.Repaired == 0 && src.Late == 0 {
			continue
		}
		what := tallyText(map[string]int{"read": src.Alerts, "new": src.New, "changed": src.Changed, "skipped": src.Skipped,
			"notes posted": src.Notes, "notes found": src.Found, "notes refused": src.Refused, "notes in doubt": src.Doubts,
			"doubles removed": src.Repaired, "late": src.Late})
		if what == "" {
			what = "nothing new"
		}
		out = append(out, fmt.Sprintf("%s: %s", src.Source, what))
	}
	return out
}

func total(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// tallyText lists the counts that are not zero, most first: "6 file needed, 3 analysis running".
func tallyText(m map[string]int) string {
	keys := make([]string, 0, len(m))
	for k, n := range m {
		if n > 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%d %s", m[k], k)
	}
	return strings.Join(parts, ", ")
}

// watch shows progress on a terminal.
type watch struct {
	progress *term.Progress
	mu       sync.Mutex
	tasks    map[string]*term.Task
	ended    chan struct{}
	end      func()
}

// newWatch also answers the first Ctrl-C, because what is under way is finished.
// Beside a trace there is no display: each would overwrite the other.
func newWatch(io *term.IO, stop <-chan struct{}, show bool) *watch {
	w := &watch{tasks: map[string]*term.Task{}, ended: make(chan struct{})}
	if show {
		w.progress = io.NewProgress()
	}
	w.end = sync.OnceFunc(func() { close(w.ended) })
	if stop == nil || !io.ErrTTY {
		return w
	}
	go func() {
		select {
		case <-stop:
			w.progress.Println("stopping when this step is done; Ctrl-C again stops at once, and loses nothing either")
		case <-w.ended:
		}
	}()
	return w
}

func (w *watch) see(e triage.Event) {
	name, what := e.Source, e.What
	if name == "" {
		name = "files"
		what = "judged"
	} else if what == "alerts" {
		what = "alerts read" // first by creation, then by change: some twice
	}
	w.mu.Lock()
	t := w.tasks[name+what]
	if t == nil {
		t = w.progress.Task(name, what)
		w.tasks[name+what] = t
	}
	w.mu.Unlock()
	t.Set(e.Done)
}

func (w *watch) done() {
	w.end()
	w.progress.Done()
}
