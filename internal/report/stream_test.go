package report

import (
	"fmt"
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/term"
)

func TestStreamWritesEachItemBeforeTheNextIsAsked(t *testing.T) {
	for _, f := range []string{NDJSON, CSV} {
		io, out, errs := term.Test("")
		seen := 0
		items := func(yield func(row, error) bool) {
			for i, r := range alerts().Items {
				if n := strings.Count(out.String(), "\n"); f == NDJSON && n != i {
					t.Errorf("%s: %d lines are out before item %d", f, n, i)
				}
				if !yield(r, nil) || i == 1 && !yield(row{}, failures()[0]) {
					return
				}
				seen++
			}
		}
		n, failed, err := Stream(t.Context(), io, Options{Format: f}, columns(), items)
		if n != 4 || len(failed) != 1 || err != nil || seen != 4 {
			t.Errorf("%s: n %d, failed %v, err %v", f, n, failed, err)
		}
		if json := strings.HasPrefix(errs.String(), `{"error":`); json != (f == NDJSON) {
			t.Errorf("%s: stderr %q", f, errs)
		}
		whole, _ := run(t, pipe(), Options{Format: f}, alerts())
		if out.String() != whole {
			t.Errorf("%s: the stream is\n%s\nPrint gives\n%s", f, out, whole)
		}
	}
}

func TestStreamRefusesWhatNeedsTheWholeList(t *testing.T) {
	io, _, _ := term.Test("")
	for _, o := range []Options{{}, {Format: CSV, Sort: "age"}, {JQ: "."}} {
		_, _, err := Stream(t.Context(), io, o, columns(), func(func(row, error) bool) {})
		mustFail(t, err, fault.Usage, "only -o ndjson and -o csv can be streamed, without --sort, --jq and --template")
	}
}

// closed is a stdout whose reader has gone.
type closed struct{ err error }

func (c closed) Write([]byte) (int, error) { return 0, c.err }

func TestAClosedPipeEndsQuietly(t *testing.T) {
	for _, f := range Formats() {
		tio, _, errs := term.Test("")
		tio.Out = term.NewPipeWriter(closed{fmt.Errorf("write: %w", ioClosed)})
		err := Print(t.Context(), tio, Options{Format: f}, alerts())
		if !term.IsClosedPipe(err) {
			t.Errorf("%s: %v", f, err)
		}
		if Error(tio, f, err); errs.Len() > 0 {
			t.Errorf("%s: stderr %q", f, errs)
		}
	}
	tio, _, _ := term.Test("")
	tio.Out = term.NewPipeWriter(closed{ioClosed})
	asked := 0
	_, _, err := Stream(t.Context(), tio, Options{Format: NDJSON}, nil, func(yield func(row, error) bool) {
		for ; asked < 100; asked++ {
			if !yield(row{}, nil) {
				return
			}
		}
	})
	if !term.IsClosedPipe(err) || asked != 0 {
		t.Errorf("%v after %d items", err, asked)
	}
}
