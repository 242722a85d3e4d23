package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// pace is how fast a source lets itself ask its product; each follows the vendor's
// limits. See the Limits of each package below internal/source.
type pace struct {
	perSecond float64
	burst     int
}

// paces are those of the requests that a sync sends most of. SentinelOne has one for
// lists and one for notes; AWS is asked as fast as it answers.
func paces() map[string]pace {
	return map[string]pace{
		"s1-lab": {vendorRate, listBurst}, "falcon-lab": {50, 50}, "mde-lab": {2.3, 12}, "cbc-lab": {3, 100}, "cortex-lab": {5, 5}, "wiz-lab": {2, 4},
	}
}

// traffic is what one source was asked for.
type traffic struct {
	requests int
	lists    int           // of SentinelOne: those that count as lists
	last     time.Duration // when its last request was over, from the start
	alerts   int
	notes    int
}

// least is the time that a source's own limits allow for its requests.
func (t traffic) least(source string) time.Duration {
	p, limited := paces()[source]
	if !limited {
		return 0
	}
	n := t.requests
	if source == "s1-lab" {
		n = t.lists
	}
	return time.Duration(float64(max(0, n-p.burst)) / p.perSecond * float64(time.Second))
}

// slowest is the source whose own limits take longest: no sync of all can be faster.
func (r *result) slowest() (source string, bound time.Duration) {
	for _, name := range slices.Sorted(maps.Keys(r.by)) {
		if d := r.by[name].least(name); d > bound {
			source, bound = name, d
		}
	}
	return source, bound
}

// products syncs every product side by side: as fast as the lab lets it, and under the
// limits that the vendors set, where the slowest must not hold the others up. Files that
// the engine does not hold stay where they are: how long endpoints take is the lab's
// choice.
func (b *bench) products() error {
	lifted, limited := world{alerts: 1000, files: 200, products: true}, world{alerts: 100, files: 40, products: true, vendorRate: true}
	if b.quick {
		lifted.alerts, limited.alerts = 200, 30
	}
	for _, w := range []world{lifted, limited} {
		r, err := b.sync(w)
		if err != nil {
			return err
		}
		b.report.products(r)
	}
	return nil
}

// syncOutput is the part of edrc.sync/v1 that is compared with what the lab counted.
type syncOutput struct {
	Item struct {
		Sources []struct {
			Source string
			Alerts int
			New    int
			Notes  int
		}
		Notes      int
		ScansSpent int `json:"scans_spent"`
	}
}

// sideBySide reads what edrc said, and fails when the lab counted otherwise: a note
// that is missing or doubled, a source that nothing was read from.
func (r *result) sideBySide(said string, l *lab) error {
	var out syncOutput
	if err := json.Unmarshal([]byte(said), &out); err != nil {
		return fmt.Errorf("edrc sync -o json: %w", err)
	}
	notes, err := l.notes()
	if err != nil {
		return err
	}
	for _, s := range out.Item.Sources {
		t := r.by[s.Source]
		if t == nil || s.Alerts == 0 || s.Notes == 0 {
			return fmt.Errorf("%s: %d alerts read, %d notes posted", s.Source, s.Alerts, s.Notes)
		}
		if t.alerts, t.notes = s.Alerts, s.Notes; notes[s.Source] < s.Notes {
			return fmt.Errorf("%s: edrc posted %d notes, the lab has %d", s.Source, s.Notes, notes[s.Source])
		}
	}
	if len(out.Item.Sources) != len(r.by) {
		return errors.New("not every source was asked")
	}
	return nil
}

var noteMarker = regexp.MustCompile(`\[edrc:[0-9a-f]{16}\]`)

// notes counts our notes by source. It fails when one stands twice where it was posted.
func (l *lab) notes() (map[string]int, error) {
	var state struct {
		Sources map[string]struct {
			Notes map[string][]string `json:"notes"`
		} `json:"sources"`
	}
	if err := l.get("/_lab/state", &state); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for name, s := range state.Sources {
		for id, texts := range s.Notes {
			markers := noteMarker.FindAllString(strings.Join(texts, "\n"), -1)
			slices.Sort(markers)
			if len(slices.Compact(slices.Clone(markers))) != len(markers) {
				return nil, fmt.Errorf("%s: a note is doubled on %s", name, id)
			}
			out[name] += len(markers)
		}
	}
	return out, nil
}

// products adds a sync of every product.
func (r *report) products(s *result) {
	r.sides = append(r.sides, s)
	total := 0
	for _, t := range s.by {
		total += t.alerts
	}
	if s.vendorRate {
		slowest, bound := s.slowest()
		ratio := float64(s.wall) / float64(bound)
		r.add(fmt.Sprintf("sync of %d products side by side, %d alerts, each vendor's limits", len(s.by), total),
			fmt.Sprintf("%.1f s, %.2f x the bound of %.1f s (%s)", s.wall.Seconds(), ratio, bound.Seconds(), slowest), "≤ 1.3 x", excess(ratio, 1.3), ratio <= 1.3)
	} else {
		r.add(fmt.Sprintf("sync of %d products side by side, %d alerts, limits lifted", len(s.by), total),
			fmt.Sprintf("%.1f s, %d requests to the engine", s.wall.Seconds(), s.engine), "", 0, true)
	}
	if s.peak > 0 {
		r.add("its peak memory", mib(s.peak), "< 64 MiB", excess(float64(s.peak), memoryAim), s.peak < memoryAim)
	}
	r.add("its scans", fmt.Sprintf("%d for %d files, of which %d were analysed twice because the engine's first analysis failed", s.scans, s.files, s.needed-s.files),
		"equal", 0, s.scans == s.needed)
}

// sideTable is a table of what each source cost.
func sideTable(s *result) string {
	var b strings.Builder
	b.WriteString("| source | alerts | requests | an alert | notes | ready after |")
	if s.vendorRate {
		b.WriteString(" own limits |\n|---|---|---|---|---|---|---|\n")
	} else {
		b.WriteString("\n|---|---|---|---|---|---|\n")
	}
	for _, name := range slices.Sorted(maps.Keys(s.by)) {
		t := s.by[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %.2f | %d | %.1f s |", name, t.alerts, t.requests, float64(t.requests)/float64(max(1, t.alerts)), t.notes, t.last.Seconds())
		if s.vendorRate {
			fmt.Fprintf(&b, " %.1f s |", t.least(name).Seconds())
		}
		b.WriteString("\n")
	}
	return b.String()
}
