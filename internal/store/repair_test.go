package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func mode(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String()
}

var zeroTime time.Time

func hashOf(i int) alert.Hash { return alert.Hash(fmt.Sprintf("%064x", i+1)) }

// filled gives a store with n alerts, jobs and verdicts, and collects its warnings.
func filled(t *testing.T, n int) (*Store, *[]string) {
	t.Helper()
	s := fresh(t)
	var warnings []string
	s.warn = func(line string) { warnings = append(warnings, line) }
	err := s.Update(context.Background(), 3*n, func(tx ledger.Tx) error {
		for i := range n {
			a := &ledger.Alert{Handle: alert.Handle{Source: "s", ID: fmt.Sprint(i)}, Created: s.now(), State: ledger.AlertOpen, Digest: "d"}
			j := &ledger.Job{Key: ledger.JobKey{Engine: "e", Hash: hashOf(i)}, State: ledger.JobWanted}
			v := &ledger.VerdictRecord{Engine: "e", Verdict: alert.Verdict{Class: alert.Trusted, Hashes: alert.Hashes{SHA256: hashOf(i)}}}
			for _, err := range []error{tx.PutAlert(a), tx.PutJob(j), tx.PutVerdict(v), tx.Want(j.Key, a.Key())} {
				if err != nil {
					return err
				}
			}
		}
		c := &ledger.Cursor{CursorKey: ledger.CursorKey{Source: "s", Stream: "x", By: "created"}, Watermark: s.now()}
		return tx.PutCursor(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, &warnings
}

// harm rewrites the store's file in place.
func harm(t *testing.T, s *Store, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path, change(b), fileMode); err != nil {
		t.Fatal(err)
	}
}

type contents struct{ alerts, jobs, due, verdicts int }

func countAll(t *testing.T, s *Store) (c contents) {
	t.Helper()
	err := s.View(context.Background(), func(tx ledger.Tx) error {
		c = contents{}
		for _, err := range tx.Alerts("", zeroTime, zeroTime) {
			if err != nil {
				return err
			}
			c.alerts++
		}
		for _, err := range tx.Jobs("") {
			if err != nil {
				return err
			}
			c.jobs++
		}
		for _, err := range tx.Verdicts("") {
			if err != nil {
				return err
			}
			c.verdicts++
		}
		js, err := tx.DueJobs("e", s.now(), 1<<20)
		c.due = len(js)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// works holds a store to working on after damage, with one warning and the old
// file kept.
func works(t *testing.T, s *Store, warned *[]string) {
	t.Helper()
	put(t, s, "after", "damage")
	if got := get(t, s, "after"); got != "damage" {
		t.Errorf("the new store does not keep what is put: %q", got)
	}
	if err := s.Check(context.Background()); err != nil {
		t.Errorf("the new store: %v", err)
	}
	warnings := *warned
	if len(warnings) != 1 || strings.Contains(warnings[0], "\n") {
		t.Errorf("warned %q, want one line", warnings)
	}
	aside, _ := filepath.Glob(s.path + ".corrupt-*")
	tmp, _ := filepath.Glob(s.path + ".tmp-*")
	if len(aside) != 1 || len(tmp) != 0 {
		t.Errorf("set aside: %v; temporary: %v", aside, tmp)
	}
}

func TestADamagedStoreIsSetAsideAndWorkGoesOn(t *testing.T) {
	const n = 300
	page := os.Getpagesize()
	for _, tc := range []struct {
		name string
		harm func([]byte) []byte
		all  bool // everything can be saved
	}{
		{"not a store at all", func([]byte) []byte { return []byte("sources:\n  s1: {}\n") }, false},
		{"both meta pages gone", func(b []byte) []byte { clear(b[:2*page]); return b }, false},
		{"shorter than its meta pages", func(b []byte) []byte { return b[:page] }, false},
		{"cut in the middle", func(b []byte) []byte { return b[:len(b)/2/page*page] }, false},
		{"the list of free pages overwritten", func(b []byte) []byte {
			id := newest(b).freelist
			copy(b[int(id)*page:], bytes.Repeat([]byte{0xAB}, page))
			return b
		}, true},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			for _, first := range []string{"view", "update"} {
				s, warnings := filled(t, n)
				harm(t, s, tc.harm)
				if first == "view" && !tc.all { // a view does not read the free list
					get(t, s, "k")
				}
				works(t, s, warnings)
				if got := countAll(t, s); tc.all && got != (contents{n, n, n, n}) {
					t.Errorf("saved %+v of %d", got, n)
				}
			}
		})
	}
}

func newest(b []byte) boltMeta {
	found, err := metas(bytes.NewReader(b))
	if err != nil || len(found) == 0 {
		panic("no meta page")
	}
	return found[0]
}

// leafWith gives the offset of the page that holds a text.
func leafWith(b []byte, text string) int {
	return bytes.LastIndex(b, []byte(text)) / os.Getpagesize() * os.Getpagesize()
}

func TestOneBadPageLosesOnlyItsOwnRecordsAndRewindsWhatWasRead(t *testing.T) {
	const n = 300
	s, warnings := filled(t, n)
	harm(t, s, func(b []byte) []byte {
		at := leafWith(b, `"id":"150"`)
		binary.NativeEndian.PutUint16(b[at+8:], 0xFFFF)
		return b
	})
	err := s.View(context.Background(), func(tx ledger.Tx) error {
		for _, err := range tx.Alerts("s", zeroTime, zeroTime) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !fault.Is(err, fault.Corrupt) {
		t.Fatalf("a view in whose middle the store turned out damaged: %v", err)
	}
	got := countAll(t, s)
	if got.alerts >= n || got.alerts < n/2 || got.jobs != n || got.due != n || got.verdicts != n {
		t.Errorf("saved %+v of %d", got, n)
	}
	err = s.View(context.Background(), func(tx ledger.Tx) error {
		c, err := tx.Cursor(ledger.CursorKey{Source: "s", Stream: "x", By: "created"})
		if err == nil && (c == nil || s.now().Sub(c.Watermark) < rewind) {
			t.Errorf("the cursor did not go back: %+v", c)
		}
		a, err2 := tx.Alert("s", "1")
		if err2 == nil && a.Digest != "" {
			t.Error("an open alert would not be judged again")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	works(t, s, warnings)
}

func TestARecordThatIsNoJSONIsLeftOutAndAnUpdateRunsAgain(t *testing.T) {
	s, warnings := filled(t, 20)
	harm(t, s, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(`"id":"7"`), []byte(`"id":{{{`))
	})
	var seen *ledger.Alert
	err := s.Update(context.Background(), 1, func(tx ledger.Tx) (err error) {
		seen, err = tx.Alert("s", "7")
		return err
	})
	if err != nil || seen != nil {
		t.Errorf("after the repair the update got %v, %v", seen, err)
	}
	if got := countAll(t, s); got.alerts != 19 || got.verdicts != 20 {
		t.Errorf("saved %+v", got)
	}
	works(t, s, warnings)
}

func TestGarbageAnywhereIsSurvived(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		s, warnings := filled(t, 200)
		harm(t, s, func(b []byte) []byte {
			for range 1 + rng.IntN(3) {
				at, n := rng.IntN(len(b)), 1+rng.IntN(200)
				for i := at; i < min(at+n, len(b)); i++ {
					b[i] = byte(rng.Uint32())
				}
			}
			return b
		})
		touch := func(tx ledger.Tx) error {
			for _, err := range tx.Alerts("", zeroTime, zeroTime) {
				_ = err // a record may be unreadable
			}
			_, err := tx.DueJobs("e", s.now(), 1000)
			_ = err
			return tx.PutMeta("k", fmt.Sprint(round))
		}
		if err := s.Update(context.Background(), 1, touch); err != nil {
			t.Fatalf("round %d: %v (warned %v)", round, err, *warnings)
		}
		if got := get(t, s, "k"); got != fmt.Sprint(round) {
			t.Fatalf("round %d: kept %q", round, got)
		}
		if err := s.Check(context.Background()); err != nil && !fault.Is(err, fault.Corrupt) {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestAPanicOfAFunctionIsNotTakenForDamage(t *testing.T) {
	s, warnings := filled(t, 5)
	var leaked ledger.Tx
	err := s.Update(context.Background(), 1, func(tx ledger.Tx) error { leaked = tx; var none []int; none[len(none)] = 1; return nil })
	if err == nil || !strings.Contains(err.Error(), "repair_test.go") {
		t.Errorf("the panic's place is not told: %v", err)
	}
	if a, err := leaked.Alert("s", "1"); a != nil || err != nil {
		t.Errorf("a transaction that is over gave %v, %v", a, err)
	}
	if err := leaked.PutMeta("k", "v"); err == nil {
		t.Error("a transaction that is over took a write")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic in a view was swallowed")
			}
		}()
		_ = s.View(context.Background(), func(ledger.Tx) error { panic("mine") })
	}()
	put(t, s, "k", "v")
	if len(*warnings) > 0 {
		t.Errorf("warned %v", *warnings)
	}
}

func TestAStoreOfANewerSchemaIsLeftAlone(t *testing.T) {
	s, warnings := filled(t, 5)
	setSchema(t, s.path, "2.0")
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"view":   s.View(context.Background(), func(ledger.Tx) error { return nil }),
		"update": s.Update(context.Background(), 1, func(tx ledger.Tx) error { return tx.PutMeta("k", "v") }),
	} {
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), "schema 2.0, this one knows 1.x") {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := os.ReadFile(s.path)
	if err != nil || !bytes.Equal(before, after) || len(*warnings) > 0 {
		t.Errorf("the file was touched (%v, %v)", err, *warnings)
	}
	setSchema(t, s.path, "1.7")
	put(t, s, "k", "v") // a newer minor is no obstacle
}

func setSchema(t *testing.T, path, version string) {
	t.Helper()
	db, err := bbolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(btx *bbolt.Tx) error { return btx.Bucket(kMeta.name()).Put([]byte(schemaKey), []byte(version)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnOlderStoreIsMigratedAfterACopy(t *testing.T) {
	for _, first := range []string{"view", "update"} {
		s, _ := filled(t, 5)
		s.schema = schema{major: 2, minor: 1, steps: map[int]func(*bbolt.Tx) error{
			1: func(btx *bbolt.Tx) error {
				return btx.Bucket(kValues.name()).Put(key(nil).str("moved"), []byte("yes"))
			},
		}}
		if first == "update" {
			put(t, s, "k", "v")
		}
		if got := get(t, s, "moved"); got != "yes" {
			t.Errorf("%s: not migrated", first)
		}
		old := open(t, s.path+".v1.bak")
		if got := countAll(t, old); got.alerts != 5 {
			t.Errorf("%s: the copy has %+v", first, got)
		}
		if err := open(t, s.path).View(context.Background(), func(ledger.Tx) error { return nil }); !fault.Is(err, fault.Usage) {
			t.Errorf("%s: an older edrc opens the migrated store: %v", first, err)
		}
	}
}

func TestAFileOfAnotherProgramIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(btx *bbolt.Tx) error { _, err := btx.CreateBucket([]byte("theirs")); return err }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Update(context.Background(), 1, func(ledger.Tx) error { return nil }); !fault.Is(err, fault.Usage) {
		t.Errorf("got %v", err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left %v", names)
	}
}
