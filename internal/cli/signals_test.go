//go:build unix

package cli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edrc/internal/lab"
)

// doubled gives the alerts that have the same note twice.
func doubled(st lab.State) (refs []string, notes int) {
	for name, s := range st.Sources {
		for id, texts := range s.Notes {
			seen := map[string]bool{}
			for _, text := range texts {
				notes++
				if seen[text] {
					refs = append(refs, name+":"+id)
				}
				seen[text] = true
			}
		}
	}
	return refs, notes
}

func TestCtrlCEndsASyncCleanlyAndTheNextRunCompletes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 150, Files: 40, Latency: 20 * time.Millisecond, AnalysisTime: 500 * time.Millisecond})
	c := w.start("sync")
	until(t, "a scan", func() bool { return w.lab.State().Intezer.Scans > 3 })
	c.signal(syscall.SIGINT)
	if code := c.wait(10 * time.Second); code != 130 {
		t.Fatalf("exit %d, want 130\n%s%s", code, c.out.String(), c.errout.String())
	}
	if !strings.Contains(c.out.String(), "stopped: interrupted") || c.errout.Len() > 0 {
		t.Errorf("it says\n%s%s", c.out.String(), c.errout.String())
	}
	w.must("sync")
	if again := w.must("sync"); !strings.Contains(again.out, "none new") || strings.Contains(again.out, "still due") {
		t.Errorf("a third run has work: %s", again.out)
	}
	st := w.lab.State()
	if twice, _ := doubled(st); len(twice) > 0 {
		t.Errorf("doubled notes: %v", twice)
	}
	fails := map[string]int{}
	for _, f := range w.lab.Files() {
		if f.FailsOnce {
			fails[f.SHA256] = 1
		}
	}
	for sha, n := range st.Intezer.ScansByFile {
		if n > 1+fails[sha] {
			t.Errorf("%s was paid for %d times", sha, n)
		}
	}
}

func TestCtrlCTwiceEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 20, Latency: 20 * time.Second})
	c := w.start("sync")
	until(t, "a request", func() bool { return w.lab.State().Intezer.Requests > 0 })
	c.signal(syscall.SIGINT)
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	c.signal(syscall.SIGINT)
	if code := c.wait(5 * time.Second); code != 130 {
		t.Errorf("exit %d, want 130\n%s", code, c.errout.String())
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCtrlCOnceEndsWhatHasNothingToFinish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 5, Latency: 20 * time.Second})
	for _, args := range [][]string{{"alerts", "list"}, {"sources", "check"}, {"quota"}} {
		c := w.start(args...)
		time.Sleep(300 * time.Millisecond)
		c.signal(syscall.SIGINT)
		if code := c.wait(5 * time.Second); code != 130 {
			t.Errorf("%v: exit %d, want 130\n%s", args, code, c.errout.String())
		}
	}
}

func TestAnIntervalRunsPassesUntilItIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 5, Files: 5})
	out, err := os.Create(filepath.Join(w.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("edrc", "sync", "--interval", "200ms")
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	passes := func() int {
		b, _ := os.ReadFile(out.Name())
		return strings.Count(string(b), "\n")
	}
	until(t, "three passes", func() bool { return passes() >= 3 })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d, want 130", code)
	}
}

func TestAHungProcessThatHoldsTheStoreIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 5, Files: 5})
	w.must("sync")
	holder := exec.Command("holdstore", filepath.Join(w.dir, "store.db"))
	pipe, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	}()
	if line, err := bufio.NewReader(pipe).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := w.start("sync", "-o", "json")
	if code := c.wait(60 * time.Second); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	var failure struct {
		Error struct{ Kind, Message, Hint string }
	}
	if err := json.Unmarshal(c.errout.Bytes(), &failure); err != nil || failure.Error.Kind != "locked" || failure.Error.Hint == "" {
		t.Errorf("stderr is %s (%v)", c.errout.String(), err)
	}
	_ = holder.Process.Kill()
	_ = holder.Wait()
	w.must("sync")
}

func TestAReaderThatGoesAwayIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 800, Files: 30})
	for _, format := range []string{"table", "ndjson", "json", "csv", "md", "yaml"} {
		cmd := exec.Command("edrc", "alerts", "list", "--since", "30d", "--all", "-o", format)
		for k, v := range w.env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var errout strings.Builder
		cmd.Stderr = &errout
		r, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = r.Read(make([]byte, 100))
		_ = r.Close()
		if err := cmd.Wait(); err != nil || strings.Contains(errout.String(), "pipe") {
			t.Errorf("-o %s: %v\n%s", format, err, errout.String())
		}
	}
}
