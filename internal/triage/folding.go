package triage

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// heldMost is how many rows of a source wait in memory for what they may repeat; then its
// reading waits.
const heldMost = 500

// folding leaves out of a listing what repeats a finding that the listing has already.
// Sources that repeat others are sorted out last, so all others must have been read.
type folding struct {
	repeats map[string][]string // by source: the kinds it repeats that are listed directly
	direct  map[string]bool     // those kinds
	read    sync.WaitGroup      // the sources that repeat nothing
	put     func(Row)

	mu   sync.Mutex
	seed maphash.Seed
	own  map[uint64]standing // by finding: a digest of 64 bits, so that many need little memory
	left map[alert.Finding][]alert.Ref
	n    int
}

// standing is what decides whether a repeat is worth showing beside its finding.
type standing struct {
	severity alert.Severity
	closed   bool
}

func newFolding(picked []source.Source, o ListOptions, put func(Row)) *folding {
	f := &folding{repeats: map[string][]string{}, direct: map[string]bool{}, put: put, seed: maphash.MakeSeed(),
		own: map[uint64]standing{}, left: map[alert.Finding][]alert.Ref{}}
	if o.Repeats {
		return f
	}
	for _, src := range picked {
		for _, kind := range src.Traits().Repeats {
			// One that repeats others itself is waited for by nobody: two could wait for each other.
			if slices.ContainsFunc(picked, func(d source.Source) bool { return d.Kind() == kind && len(d.Traits().Repeats) == 0 }) {
				f.repeats[src.Name()] = append(f.repeats[src.Name()], kind)
				f.direct[kind] = true
			}
		}
	}
	for _, src := range picked {
		if f.waitedFor(src) {
			f.read.Add(1)
		}
	}
	return f
}

func (f *folding) waitedFor(src source.Source) bool {
	return f.direct[src.Kind()] && f.repeats[src.Name()] == nil
}

// of gives how the rows of a source are taken, and what to call when it has been read.
func (f *folding) of(ctx context.Context, src source.Source) (take func(Row), end func()) {
	kinds := f.repeats[src.Name()]
	switch {
	case f.waitedFor(src):
		return func(r Row) { f.note(r.Alert); f.put(r) }, f.read.Done
	case kinds == nil:
		return f.put, func() {}
	}
	var held []Row
	end = func() {
		f.wait(ctx)
		for _, r := range held {
			if !f.leaves(r.Alert) {
				f.put(r)
			}
		}
		held = nil
	}
	return func(r Row) {
		if !slices.Contains(kinds, r.Alert.Repeats.Kind) {
			f.put(r)
		} else if held = append(held, r); len(held) == heldMost {
			end()
		}
	}, end
}

// wait ends when the sources that repeat nothing have been read.
func (f *folding) wait(ctx context.Context) {
	if ctx.Err() == nil { // else they end by themselves, and nothing of this is shown
		f.read.Wait()
	}
}

func (f *folding) digest(of alert.Finding) uint64 { return maphash.Comparable(f.seed, of) }

// note remembers an alert that others may repeat.
func (f *folding) note(a alert.Alert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range []string{a.ID, a.OtherID} {
		if id != "" {
			f.own[f.digest(alert.Finding{Kind: a.Kind, ID: id})] = standing{a.Severity, a.Status.Closed()}
		}
	}
}

// leaves reports whether a row is left out: its finding is listed, is rated no lower, and
// is not closed while this one is open.
func (f *folding) leaves(a alert.Alert) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	own, listed := f.own[f.digest(a.Repeats)]
	if !listed || own.severity < a.Severity || own.closed && !a.Status.Closed() {
		return false
	}
	f.n++
	if refs := f.left[a.Repeats]; len(refs) < sameMax {
		f.left[a.Repeats] = append(refs, a.Ref)
	}
	return true
}

// link names on each row the rows that are the same finding, and what was left out.
func (f *folding) link(rows []Row) {
	byFinding := map[alert.Finding]int{}
	for i, r := range rows {
		for _, id := range []string{r.Alert.ID, r.Alert.OtherID} {
			if id != "" {
				byFinding[alert.Finding{Kind: r.Alert.Kind, ID: id}] = i
			}
		}
	}
	join := func(i int, ref alert.Ref) {
		if rows[i].Alert.Ref != ref && !slices.Contains(rows[i].Same, ref) {
			rows[i].Same = append(rows[i].Same, ref)
		}
	}
	for i, r := range rows {
		if at, ok := byFinding[r.Alert.Repeats]; ok && r.Alert.Repeats.ID != "" {
			join(i, rows[at].Alert.Ref)
			join(at, r.Alert.Ref)
		}
	}
	for finding, refs := range f.left {
		if at, ok := byFinding[finding]; ok {
			for _, ref := range refs {
				join(at, ref)
			}
		}
	}
	for _, r := range rows {
		sortRefs(r.Same)
	}
}
