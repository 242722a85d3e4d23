package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func TestCompactShrinksTheFileAndLosesNothingThatIsWrittenMeanwhile(t *testing.T) {
	s, _ := filled(t, 500)
	err := s.Update(context.Background(), 1, func(tx ledger.Tx) error {
		for i := range 500 {
			if err := tx.DeleteVerdict("e", hashOf(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, s.path)
	defer func() { _ = other.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 20 {
			put(t, other, fmt.Sprint("k", i), "v")
		}
	})
	before, after, err := s.Compact(context.Background())
	wg.Wait()
	if err != nil || after >= before || after == 0 {
		t.Errorf("from %d to %d bytes: %v", before, after, err)
	}
	for i := range 20 {
		if get(t, s, fmt.Sprint("k", i)) != "v" {
			t.Errorf("write %d of another process is lost", i)
		}
	}
	if got := countAll(t, s); got != (contents{500, 500, 500, 0}) {
		t.Errorf("kept %+v", got)
	}
	if err := s.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestACopyIsAStoreOfItsOwn(t *testing.T) {
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := fresh(t).CopyTo(context.Background(), to); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("of nothing, a file was made")
	}
	s, _ := filled(t, 50)
	if err := s.CopyTo(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	c := open(t, to)
	defer func() { _ = c.Close() }()
	put(t, c, "k", "only in the copy")
	if got := countAll(t, c); got != (contents{50, 50, 50, 50}) || get(t, s, "k") != "" || mode(t, to) != "-rw-------" {
		t.Errorf("the copy has %+v, mode %s", got, mode(t, to))
	}
	if err := s.CopyTo(context.Background(), filepath.Join(to, "x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("to a place that cannot be: %v", err)
	}
}

func TestStatsCountByKind(t *testing.T) {
	s := fresh(t)
	empty, err := s.Stats(context.Background())
	if err != nil || empty.Bytes != 0 || empty.Path != s.path {
		t.Errorf("of no file: %+v, %v", empty, err)
	}
	s, _ = filled(t, 7)
	got, err := s.Stats(context.Background())
	if err != nil || got.Schema != "1.0" || got.Bytes == 0 || !strings.Contains(fmt.Sprint(got.Counts), "{verdicts 7} {aliases 0} {alerts 7} {jobs 7} {effects 0} {wants 7}") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCheckReportsDamageAndRepairsNothing(t *testing.T) {
	s, warnings := filled(t, 200)
	harm(t, s, func(b []byte) []byte { copy(b[leafWith(b, `"id":"99"`):], "garbage"); return b })
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(context.Background()); !fault.Is(err, fault.Corrupt) {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(s.path)
	if err != nil || !bytes.Equal(before, after) || len(*warnings) > 0 {
		t.Error("it touched the file")
	}
}

func TestALongScanHoldsItsMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mapped pages are given back on Linux only")
	}
	s := fresh(t)
	const n, size = 20_000, 2000 // 40 MB and more
	for i := 0; i < n; i += 2000 {
		err := s.Update(context.Background(), 2000, func(tx ledger.Tx) error {
			for j := i; j < i+2000; j++ {
				a := &ledger.Alert{Handle: alert.Handle{Source: "s", ID: fmt.Sprint(j)}, Created: time.Unix(int64(j), 0), Title: strings.Repeat("x", size)}
				if err := tx.PutAlert(a); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.View(context.Background(), func(tx ledger.Tx) error {
		before, most, i := mapped(t), 0, 0
		for _, err := range tx.Alerts("s", zeroTime, zeroTime) {
			if err != nil {
				return err
			}
			if i++; i%500 == 0 {
				most = max(most, mapped(t)-before)
			}
		}
		if i != n || most > 24<<10 {
			t.Errorf("%d alerts were visited with %d KiB of the file mapped", i, most)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mapped gives the file pages in this process's memory, in KiB.
func mapped(t *testing.T) (kib int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Skip("the kernel does not tell")
	return 0
}

func TestKeysOrderAsTheirElementsDoAndReadBack(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\x00\x01a]{0,4}`))
	when := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) ledger.AlertKey {
			return ledger.AlertKey{Source: alert.SourceID(text.Draw(t, name+" source")), Created: when.Draw(t, name+" time"), ID: text.Draw(t, name+" id")}
		}
		a, b := draw("a"), draw("b")
		want := strings.Compare(string(a.Source), string(b.Source))
		if want == 0 {
			want = a.Created.Compare(b.Created)
		}
		if want == 0 {
			want = strings.Compare(a.ID, b.ID)
		}
		ka, kb := key(nil).alert(a), key(nil).alert(b)
		if got := bytes.Compare(ka, kb); got != want {
			t.Fatalf("%+v and %+v: keys compare %d, want %d", a, b, got, want)
		}
		if back, err := cutAlert(ka); err != nil || back != a {
			t.Fatalf("%+v came back as %+v, %v", a, back, err)
		}
	})
}

func FuzzInspectSurvivesAnyFile(f *testing.F) {
	f.Add([]byte("sources: {}"))
	f.Add(make([]byte, 8192))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := inspect(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	})
}
