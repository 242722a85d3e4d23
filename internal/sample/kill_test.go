package sample

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stallCtx lets some checks pass, then says so on stdout and blocks for good: the
// parent kills the process in the middle of a copy.
type stallCtx struct {
	context.Context
	left int
}

func (c *stallCtx) Err() error {
	if c.left--; c.left < 0 {
		fmt.Println("ready")
		select {}
	}
	return nil
}

// child is the process that is killed.
func child(mode, dir string) {
	s, err := OpenSpool(dir)
	if err != nil {
		panic(err)
	}
	stall := &stallCtx{context.Background(), 100}
	data := append(marked(1<<20), noise(6<<20)...)
	t := &testing.T{}
	switch mode {
	case "wrap":
		_, err = s.Wrap(stall, bytes.NewReader(data), "bad.exe", testPassword)
	case "take":
		_, err = s.Take(stall, bytes.NewReader(makeZip(t, "", made{name: "bad.exe", data: data, store: true})), testPassword)
	case "rewrap":
		stall.left = 600 // the copy alone checks twice for each of its 224 chunks
		_, err = s.Take(stall, bytes.NewReader(makeZip(t, "", made{name: "bad.exe", data: data, store: true})), testPassword)
	case "keep", "inspect":
		var a *Archive
		if a, err = s.Take(context.Background(), bytes.NewReader(makeZip(t, "", made{name: "bad.exe", data: data, store: true})), testPassword); err != nil {
			break
		}
		if mode == "keep" {
			err = s.Keep(stall, a, "k")
		} else {
			_, err = Inspect(stall, a, Limits{}, hashesOf(nil))
		}
	}
	fmt.Println("done", err)
	os.Exit(1)
}

func TestAKilledProcessLeavesNothingInClear(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"wrap", "take", "rewrap", "inspect", "keep"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s, dir := newSpool(t)
			before, err := s.Wrap(context.Background(), strings.NewReader("x"), "x", testPassword)
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			if err := s.Keep(context.Background(), before, "before"); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "EDRC_SAMPLE_CHILD="+mode, "EDRC_SAMPLE_DIR="+dir, "TMPDIR="+t.TempDir())
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			found := openFilesOf(cmd.Process.Pid) + clearBytes(dir)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if line != "ready\n" {
				t.Fatalf("the child was not caught in the middle: %q", line)
			}
			if found += clearBytes(dir); found != "" {
				t.Fatal(found)
			}
			if mode == "keep" && len(namesIn(t, dir)) != 2 {
				t.Fatalf("killed in the middle of Keep, there is %v", namesIn(t, dir))
			}
			later, err := OpenSpool(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer later.Close()
			if names := namesIn(t, dir); len(names) != 1 || !strings.HasPrefix(names[0], keptPrefix) {
				t.Fatalf("left: %v", names)
			}
			a, err := later.OpenKept("before", testPassword)
			if err != nil {
				t.Fatal(err)
			}
			a.Close()
		})
	}
}

// openFilesOf looks into the files that a process holds without a name (Linux).
func openFilesOf(pid int) string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	found := ""
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Size() > 0 {
			if to, _ := os.Readlink(path); !strings.Contains(to, "spool") {
				continue
			}
			found += clearFile(path)
		}
	}
	return found
}
