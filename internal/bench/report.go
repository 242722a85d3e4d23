package main

import (
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// notes are what a person has found out about the figures.
//
//go:embed notes.md
var notes string

// line is one figure beside its aim.
type line struct {
	what, figure, aim string
	excess            float64 // how far a missed aim is missed, as a share of it
	ok                bool
}

type report struct {
	lines       []line
	runs        []*result
	sides       []*result // syncs of every product
	inits       []initialisation
	initsTotal  float64
	small, most int // peak KiB of the smallest and the largest size
	sizes       [2]int
}

func (r *report) add(what, figure, aim string, excess float64, ok bool) {
	r.lines = append(r.lines, line{what, figure, aim, excess, ok})
}

// excess says how far an aim is missed, as a share of it; 0 when it is met.
func excess(got, aim float64) float64 { return max(0, got/aim-1) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// sync adds one run.
func (r *report) sync(s *result, judge bool) {
	r.runs = append(r.runs, s)
	if !judge {
		return
	}
	bound, why := s.bound()
	ratio := float64(s.wall) / float64(bound)
	r.add("sync, "+s.name(), fmt.Sprintf("%.1f s, %.2f x the bound of %.1f s (%s)", s.wall.Seconds(), ratio, bound.Seconds(), why),
		"≤ 1.3 x", excess(ratio, 1.3), ratio <= 1.3)
	each := float64(s.requests()) / float64(s.alerts)
	r.add("requests an alert", fmt.Sprintf("%.3f (%d lists and looks, %d notes, %d engine, %d for files)", each, s.lists, s.subs, s.engine, s.fetches), "< 0.1", excess(each, 0.1), each < 0.1)
	r.add("scans spent", fmt.Sprintf("%d for %d files, of which %d were analysed twice because the engine's first analysis failed", s.scans, s.files, s.needed-s.files),
		"equal", 0, s.scans == s.needed)
}

const memoryAim = 64 << 10 // KiB

func (r *report) memory(s *result) {
	if s.peak == 0 {
		return // no /proc
	}
	r.add(fmt.Sprintf("peak memory, %s", s.name()), mib(s.peak), "< 64 MiB", excess(float64(s.peak), memoryAim), s.peak < memoryAim)
	switch {
	case r.sizes[0] == 0 || s.alerts < r.sizes[0]:
		r.sizes[0], r.small = s.alerts, s.peak
	case s.alerts == r.sizes[0]:
		r.small = max(r.small, s.peak)
	}
	if s.alerts >= r.sizes[1] {
		if s.alerts > r.sizes[1] {
			r.most = 0
		}
		r.sizes[1], r.most = s.alerts, max(r.most, s.peak)
	}
}

// fetch adds what one large file costs.
func (r *report) fetch(small, large *result) {
	r.add("sync of 400 alerts with a file of 150 MiB to fetch and upload", fmt.Sprintf("%.1f s; %.1f s without it", large.wall.Seconds(), small.wall.Seconds()), "", 0, true)
	if large.peak == 0 {
		return // no /proc
	}
	ratio := float64(large.peak) / float64(small.peak)
	r.add("its peak memory", fmt.Sprintf("%s, %.2f x that without it", mib(large.peak), ratio), "< 64 MiB", excess(float64(large.peak), memoryAim), large.peak < memoryAim)
}

// memoryGrowth compares the largest size with the smallest.
func (r *report) memoryGrowth() {
	if r.sizes[1] <= r.sizes[0] {
		return
	}
	ratio := float64(r.most) / float64(r.small)
	r.add(fmt.Sprintf("peak memory of %d alerts beside %d", r.sizes[1], r.sizes[0]), fmt.Sprintf("%.2f x", ratio), "≤ 1.3 x", excess(ratio, 1.3), ratio <= 1.3)
}

func mib(kib int) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }

// waits adds what a second process waited.
func (r *report) waits(s *result) {
	if !s.world.neighbour {
		return
	}
	const aim = 100 * time.Millisecond
	for _, k := range []struct {
		what string
		ds   []time.Duration
	}{{"read", s.views}, {"write", s.updates}} {
		p := percentile(k.ds, 95)
		r.add(fmt.Sprintf("wait of a second process's %s beside a sync of %d alerts", k.what, s.alerts),
			fmt.Sprintf("median %s, p95 %s, longest %s, of %d", ms(median(k.ds)), ms(p), ms(percentile(k.ds, 100)), len(k.ds)),
			"p95 < 100 ms", excess(float64(p), float64(aim)), p < aim)
	}
	r.add("its accesses that failed", fmt.Sprint(s.lookFail), "0", 0, s.lookFail == 0)
}

// by says how far the aim is missed, where that is a number.
func (l line) by() string {
	if l.excess == 0 {
		return ""
	}
	return fmt.Sprintf("by %.0f %%", l.excess*100)
}

// tolerance is how far an aim may be missed before -check fails: the machine is
// shared, and its figures vary from run to run. The table shows each miss.
const tolerance = 0.5

// missed reports whether an aim is missed by more than the tolerance.
func (r *report) missed() bool {
	for _, l := range r.lines {
		if !l.ok && (l.excess == 0 || l.excess > tolerance) {
			return true
		}
	}
	return false
}

func (r *report) table() string {
	var b strings.Builder
	b.WriteString("| what | figure | aim | |\n|---|---|---|---|\n")
	for _, l := range r.lines {
		verdict := ""
		switch {
		case l.aim == "":
		case l.ok:
			verdict = "met"
		default:
			verdict = strings.TrimSpace("**missed** " + l.by())
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.what, l.figure, l.aim, verdict)
	}
	return b.String()
}

// load is the load average of five minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); len(f) > 1 {
		return f[1]
	}
	return "unknown"
}

func (r *report) text(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` (`go run ./internal/bench`), in %s. Machine: %d cores, %s, %s/%s. Plain build, the lab in a\nprocess of its own on the same cores, limiter and look before each note on. Load average at the end: %s; above the number\nof cores, other work ran beside it and the times are too long.\n\n",
		took.Round(time.Second), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load())
	b.WriteString(r.table())
	if len(r.runs) > 0 {
		b.WriteString("\n## The syncs\n\nThe bound is the largest of: the list chain as a client reads it that does nothing with it, twice; requests x latency /\nparallelism; requests / rate limit, less the burst.\n\n")
		b.WriteString("| run | wall | CPU of edrc | CPU of the lab | list chain | bound | peak |\n|---|---|---|---|---|---|---|\n")
		for _, s := range r.runs {
			bound, why := s.bound()
			fmt.Fprintf(&b, "| %s | %.1f s | %.1f s | %.1f s | %.1f s | %.1f s (%s) | %s |\n", s.name(), s.wall.Seconds(), s.cpu.Seconds(),
				s.labCPU.Seconds(), s.chain.Seconds(), bound.Seconds(), why, mib(s.peak))
		}
	}
	if len(r.sides) > 0 {
		b.WriteString("\n## Every product side by side\n\n\"Ready\" is when the last request to a source was over; \"own limits\" is the least that its own limits allow for its\nrequests. Files that the engine does not hold stay where they are.\n")
		for _, s := range r.sides {
			fmt.Fprintf(&b, "\n%s: %.1f s, edrc's CPU %.1f s, peak %s.\n\n%s", s.name(), s.wall.Seconds(), s.cpu.Seconds(), mib(s.peak), sideTable(s))
		}
	}
	if len(r.inits) > 0 {
		fmt.Fprintf(&b, "\n## Whose initialisation it is\n\n`GODEBUG=inittrace=1 edrc version`: the dearest of %.2f ms.\n\n| package | ms | bytes | allocations |\n|---|---|---|---|\n", r.initsTotal)
		for _, i := range r.inits {
			fmt.Fprintf(&b, "| %s | %.3f | %d | %d |\n", i.pkg, i.clock, i.bytes, i.allocs)
		}
	}
	b.WriteString("\n" + notes)
	return b.String()
}
