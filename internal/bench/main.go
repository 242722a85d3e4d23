// Command bench measures what docs/architecture.md promises under "Measures", prints
// a table and writes docs/benchmarks.md. It builds edrc as users get it, runs the lab
// in a process of its own with edrc's limiter and look before each note on, and reads
// what the lab counted.
//
//	go run ./internal/bench                          everything, about a quarter of an hour
//	go run ./internal/bench -quick                   small sizes, writes no file
//	go run ./internal/bench -only startup,lookups    some stages
//	go run ./internal/bench -check memory,wait       fails when an aim is missed: for CI
//	go run ./internal/bench -only sync10k -profile DIR   leaves cpu.pprof and heap.pprof there
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench is one run of this tool.
type bench struct {
	quick   bool
	profile string
	dir     string // scratch, removed at the end
	edrc    string // the built binary
	report  report
}

func main() {
	var (
		only  = flag.String("only", "", "`stages`: startup, sync10k, sync100k, products, wait, lookups, fetch")
		check = flag.String("check", "", "`aims` to hold or fail: memory, wait")
		out   = flag.String("out", "", "`file` to write; docs/benchmarks.md after a full run")
		b     bench
	)
	flag.BoolVar(&b.quick, "quick", false, "smaller and shorter; writes no file")
	flag.StringVar(&b.profile, "profile", "", "build edrc with a profiler and leave its profiles in this `directory`")
	flag.Parse()
	if *out == "" && *only == "" && *check == "" && !b.quick {
		*out = "docs/benchmarks.md"
	}
	missed, err := b.run(words(*only), words(*check), *out)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	case missed && *check != "":
		fmt.Fprintln(os.Stderr, "bench: an aim is missed")
		os.Exit(1)
	}
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// stage is one group of figures.
type stage struct {
	name string
	run  func() error
}

func (b *bench) stages() []stage {
	return []stage{
		{"startup", b.startup},
		{"sync10k", func() error { return b.syncs(10_000, 100) }},
		{"sync100k", func() error { return b.syncs(100_000, 1_000) }},
		{"products", b.products},
		{"wait", b.wait},
		{"lookups", b.lookups},
		{"fetch", b.fetch},
	}
}

func (b *bench) run(only, check []string, out string) (missed bool, err error) {
	if b.dir, err = os.MkdirTemp("", "edrc-bench-"); err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := b.build(); err != nil {
		return false, err
	}
	start := time.Now()
	if len(check) > 0 {
		return b.check(check)
	}
	for _, s := range b.stages() {
		if len(only) > 0 && !slices.Contains(only, s.name) || len(only) == 0 && b.quick && s.name == "sync100k" {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", s.name)
		if err := s.run(); err != nil {
			return false, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.report.memoryGrowth()
	text := b.report.text(time.Since(start))
	fmt.Print(text)
	if out == "" {
		return b.report.missed(), nil
	}
	return b.report.missed(), os.WriteFile(out, []byte(text), 0o644)
}

// build makes the plain binary, as `make build` does.
func (b *bench) build() error {
	pkg := "./cmd/edrc"
	if b.profile != "" {
		pkg = "./internal/bench/profile"
	}
	b.edrc = b.binary("edrc")
	return goBuild(b.edrc, pkg)
}

func (b *bench) binary(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.dir, name)
}

func goBuild(out, pkg string) error {
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// check measures two aims in the least time that tells: memory of a small and of a
// four times larger sync, and the wait of a second process beside the larger one.
func (b *bench) check(aims []string) (missed bool, err error) {
	for _, a := range aims {
		if a != "memory" && a != "wait" {
			return false, fmt.Errorf("-check %q: memory or wait", a)
		}
	}
	memory := slices.Contains(aims, "memory")
	sizes := []int{40_000}
	if memory {
		sizes = []int{10_000, 40_000}
	}
	for _, n := range sizes {
		r, err := b.sync(world{alerts: n, files: n / 100, neighbour: n == 40_000 && slices.Contains(aims, "wait")})
		if err != nil {
			return false, err
		}
		b.report.sync(r, false)
		if memory {
			b.report.memory(r)
		}
		b.report.waits(r)
	}
	b.report.memoryGrowth()
	fmt.Print(b.report.table())
	return b.report.missed(), nil
}
