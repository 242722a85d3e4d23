//go:build unix

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// The test binary is its own child process: these environment variables say what
// the child does, and to which store.
const (
	childEnv = "EDRC_STORE_TEST_CHILD"
	pathEnv  = "EDRC_STORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "write":
		writeForEver(os.Getenv(pathEnv))
	case "fill":
		fillUp(os.Getenv(pathEnv))
	}
}

func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0]) // the test binary itself
	cmd.Env = append(os.Environ(), childEnv+"="+what, pathEnv+"="+path)
	return cmd
}

// writeRecord writes alert i and what must be there with it.
func writeRecord(tx ledger.Tx, i int) error {
	a := &ledger.Alert{Handle: alert.Handle{Source: "s", ID: strconv.Itoa(i)}, Created: time.Unix(int64(i), 0), Title: strings.Repeat("x", i%3000)}
	j := &ledger.Job{Key: ledger.JobKey{Engine: "e", Hash: hashOf(i % 500)}, State: ledger.JobWanted, Created: a.Created}
	return errors.Join(tx.PutAlert(a), tx.PutJob(j), tx.Want(j.Key, a.Key()), tx.PutMeta("last", a.ID))
}

// writeForEver says on stdout what is committed, once it is.
func writeForEver(path string) {
	s, err := Open(Options{Path: path, Pause: -1})
	for i := 0; err == nil; i++ {
		last := ""
		err = s.Update(context.Background(), 3, func(tx ledger.Tx) (err error) {
			if last, err = tx.Meta("last"); err != nil {
				return err
			}
			n, _ := strconv.Atoi("0" + last)
			last = strconv.Itoa(n + 1)
			return writeRecord(tx, n+1)
		})
		fmt.Println(last)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestKilledAtAnyPointTheStoreKeepsWhatItAcknowledged(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 5
	}
	s := fresh(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for range kills {
		cmd := child(t, "write", s.path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked, lines := 0, bufio.NewScanner(out)
		stop := time.AfterFunc(time.Duration(5+rng.IntN(120))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acked = n
			}
		}
		_ = cmd.Wait() // killed
		stop.Stop()
		if err := s.Check(context.Background()); err != nil {
			t.Fatal(err)
		}
		last, _ := strconv.Atoi("0" + get(t, s, "last"))
		if last < acked {
			t.Fatalf("%d was acknowledged, the store has %d", acked, last)
		}
		if got := countAll(t, s); got.alerts != last || got.jobs != min(last, 500) || got.due != got.jobs {
			t.Fatalf("of %d commits there are %+v", last, got)
		}
	}
	if aside, _ := filepath.Glob(s.path + ".corrupt-*"); len(aside) > 0 {
		t.Errorf("a kill was taken for damage: %v", aside)
	}
}

// fillUp writes until the file may not grow any more, and reports.
func fillUp(path string) {
	signal.Ignore(syscall.SIGXFSZ) // or the runtime ends the process before write returns
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("skip", err)
		return
	}
	s, err := Open(Options{Path: path, Pause: -1})
	for i := 1; err == nil && i < 10_000; i++ {
		if err = s.Update(context.Background(), 3, func(tx ledger.Tx) error { return writeRecord(tx, i) }); err == nil {
			fmt.Println(i)
		}
	}
	e, ok := errors.AsType[*fault.Error](err)
	fmt.Println("end", fault.KindOf(err), ok && e.Hint != "" && strings.Contains(e.Error(), path))
	if err := s.View(context.Background(), func(ledger.Tx) error { return nil }); err != nil {
		fmt.Println("cannot even be read", err)
	}
}

func TestAFullDiskIsUnavailableAndLosesNothing(t *testing.T) {
	s := fresh(t)
	out, err := child(t, "fill", s.path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if strings.HasPrefix(lines[0], "skip") {
		t.Skip(lines[0])
	}
	if end := lines[len(lines)-1]; end != "end unavailable true" || len(lines) < 10 {
		t.Fatalf("after %d commits: %s", len(lines)-1, end)
	}
	if err := s.Check(context.Background()); err != nil {
		t.Error(err)
	}
	if got, want := get(t, s, "last"), lines[len(lines)-2]; got != want {
		t.Errorf("the store has %s, %s was acknowledged last", got, want)
	}
	put(t, s, "room", "again")
}

func TestAPlaceThatCannotBeWrittenIsUnavailableWithAHint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, fileMode); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"below a file": filepath.Join(file, "edrc.db"), "a directory": dir, "read-only directory": filepath.Join(closed, "edrc.db"),
	} {
		if name == "read-only directory" && os.Getuid() == 0 {
			continue // root may write anywhere
		}
		s := open(t, path)
		err := s.Update(context.Background(), 1, func(tx ledger.Tx) error { return tx.PutMeta("k", "v") })
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Unavailable || e.Hint == "" || !strings.Contains(e.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
