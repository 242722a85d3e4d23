package sourcetest

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// attempt is one call of a source, for the checks that only want its error.
type attempt struct {
	name string
	do   func(ctx context.Context) error
}

// drained reads a sequence to its end, or to its first error.
func drained[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// reads are the calls that change nothing.
func reads(s source.Source, h alert.Handle, now time.Time) []attempt {
	out := []attempt{{"check", func(ctx context.Context) error { _, err := s.Check(ctx); return err }}}
	if f, ok := s.(source.Feeder); ok {
		out = append(out,
			attempt{"streams", func(ctx context.Context) error { _, err := f.Streams(ctx); return err }},
			attempt{"page", func(ctx context.Context) error {
				st := source.Stream{}
				if all, err := f.Streams(ctx); err != nil {
					return err
				} else if len(all) > 0 {
					st = all[0]
				}
				_, err := f.Page(ctx, st, wide(source.Created, now), "")
				return err
			}})
	}
	if l, ok := s.(source.Lister); ok {
		out = append(out, attempt{"list", func(ctx context.Context) error { return drained(l.List(ctx, alert.Query{})) }})
	}
	if g, ok := s.(source.Getter); ok {
		out = append(out, attempt{"get", func(ctx context.Context) error { _, err := g.Get(ctx, h); return err }})
	}
	if r, ok := s.(source.NoteReader); ok {
		out = append(out, attempt{"notes", func(ctx context.Context) error { return drained(r.Notes(ctx, h)) }})
	}
	if p, ok := s.(source.NoteProber); ok {
		out = append(out, attempt{"probe", func(ctx context.Context) error { _, err := p.ProbeNotes(ctx, h); return err }})
	}
	if f, ok := s.(source.HostFinder); ok {
		out = append(out, attempt{"hosts", func(ctx context.Context) error { return drained(f.FindHosts(ctx, "no-such-host-anywhere")) }})
	}
	if i, ok := s.(source.Incidents); ok {
		out = append(out, attempt{"incidents", func(ctx context.Context) error { return drained(i.ListIncidents(ctx, alert.Query{})) }})
	}
	return out
}

// checkCancel: every call ends soon after its context, as interrupted.
func checkCancel(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, time.Minute)
	hs := handles(t, s, v.Add(t, 3, time.Hour, false))
	v.Faults(t, "timeout=1")
	for _, r := range reads(s, hs[0], time.Now()) {
		t.Run(r.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(50*time.Millisecond, cancel)
			started := time.Now()
			err := r.do(ctx)
			if !fault.Is(err, fault.Interrupted) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want an interruption", err)
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if r, ok := s.(source.Resolver); ok {
		t.Run("resolve", func(t *testing.T) {
			endsSoon(t, "resolve", func(ctx context.Context) error {
				_, err := r.Resolve(ctx, hs[0], alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"})
				return err
			})
		})
	}
	n, ok := s.(source.Noter)
	if !ok {
		return
	}
	t.Run("a note under way is in doubt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		rs, err := n.AddNote(ctx, "cut off", hs[1])
		if err != nil || rs[0].Outcome != source.NoteUnknown {
			t.Errorf("%+v, %v", rs, err)
		}
		rs, err = n.AddNote(ctx, "never sent", hs[1])
		if err != nil || rs[0].Outcome != source.NoteNotSent {
			t.Errorf("after the end: %+v, %v", rs, err)
		}
	})
}

// checkReadFaults: reads survive what passes by itself.
func checkReadFaults(t *testing.T, h Harness) {
	for _, kind := range []string{"429=0.2", "500=0.3", "503=0.3", "reset=0.3", "truncate=0.3", "html=0.3", "timeout=0.1"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			v := h.New(t)
			timeout := patience
			if strings.HasPrefix(kind, "timeout") {
				timeout = 2 * time.Second
			}
			s := v.Source(t, timeout)
			f := capability[source.Feeder](t, s)
			want := v.Add(t, h.Page+9, time.Hour, false)
			v.Faults(t, kind)
			st := stream(t, f)
			got := walk(t, f, st, wide(source.Created, st.Now))
			same(t, "all alerts", ids(got), want)
			for _, r := range reads(s, got[0].Handle, st.Now) {
				if err := r.do(context.Background()); err != nil {
					t.Errorf("%s: %v", r.name, err)
				}
			}
		})
	}
}

// checkWriteFaults: whatever becomes of the answer, the outcome of a note is never a
// lie, and the note is never sent twice.
func checkWriteFaults(t *testing.T, h Harness) {
	for _, kind := range []string{"429", "500", "503", "reset", "truncate", "html", "timeout"} {
		for _, place := range []string{"before", "after"} {
			if kind == "429" && place == "after" {
				continue // a vendor that says so has not applied it
			}
			t.Run(kind+"@"+place, func(t *testing.T) { checkWriteFault(t, h, kind, place) })
		}
	}
}

func checkWriteFault(t *testing.T, h Harness, kind, place string) {
	t.Parallel()
	v := h.New(t)
	timeout := patience
	if kind == "timeout" {
		timeout = 700 * time.Millisecond
	}
	s := v.Source(t, timeout)
	n := capability[source.Noter](t, s)
	hs := handles(t, s, v.Add(t, 3, time.Hour, false))
	hs = hs[:min(len(hs), max(s.Traits().NoteBulk, 1))]
	v.Faults(t, kind+"@"+place+"=1")
	rs, err := n.AddNote(context.Background(), "once\n"+marker, hs...)
	if err != nil || len(rs) != len(hs) {
		t.Fatalf("%d results, %v", len(rs), err)
	}
	v.Faults(t, "")
	for _, r := range rs {
		notes := len(v.Notes(t, r.Handle.ID))
		switch {
		case place == "after" && notes != 1, place == "before" && notes != 0:
			t.Errorf("the alert has %d notes", notes)
		case r.Outcome == source.NoteUnknown, r.Outcome == source.NoteNotSent && place == "before":
		default:
			t.Errorf("the outcome is %q, and the alert has %d notes", r.Outcome, notes)
		}
		if r.Err == nil {
			t.Error("an outcome other than done has no error")
		}
	}
	checkNextProcess(t, v, hs, place == "after")
}

// checkNextProcess is what comes after a kill whose answer nobody read: another process
// looks, finds the note by its marker or sends it, and it is there once.
func checkNextProcess(t *testing.T, v Vendor, hs []alert.Handle, written bool) {
	t.Helper()
	s := v.Source(t, patience)
	var todo []alert.Handle
	for _, h := range hs {
		found := 0
		if r, ok := s.(source.NoteReader); ok {
			for _, n := range readNotes(t, r, h) {
				if strings.Contains(n.Text, marker) {
					found++
				}
			}
			if (found == 1) != written || found > 1 {
				t.Errorf("it finds the note %d times", found)
			}
		}
		if found == 0 {
			todo = append(todo, h)
		}
	}
	if len(todo) > 0 {
		add(t, s.(source.Noter), "once\n"+marker, todo...)
	}
	for _, h := range hs {
		if notes := v.Notes(t, h.ID); len(notes) != 1 {
			t.Errorf("in the end there are %d notes: %q", len(notes), notes)
		}
	}
}
