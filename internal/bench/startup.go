package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const bareProgram = "package main\n\nfunc main() {}\n"

// startup times edrc beside a program that does nothing, in turns, so that whatever
// else the machine does hits both.
func (b *bench) startup() error {
	src := filepath.Join(b.dir, "bare.go")
	if err := os.WriteFile(src, []byte(bareProgram), 0o600); err != nil {
		return err
	}
	bare := b.binary("bare")
	if err := goBuild(bare, src); err != nil {
		return err
	}
	commands := [][]string{{bare}, {b.edrc, "version"}, {b.edrc, "__complete", "alerts", ""}}
	took := make([][]time.Duration, len(commands))
	rounds := 100
	if b.quick {
		rounds = 20
	}
	for range rounds {
		for i, args := range commands {
			c := exec.Command(args[0], args[1:]...)
			c.Env = b.env("")
			start := time.Now()
			if err := c.Run(); err != nil {
				return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	base := median(took[0])
	b.report.add("start-up of a bare Go program", ms(base), "", 0, true)
	for i, name := range []string{"`edrc version`", "`edrc __complete alerts \"\"`"} {
		m := median(took[i+1])
		ratio := float64(m) / float64(base)
		b.report.add("start-up of "+name, fmt.Sprintf("%s, %.1f x bare", ms(m), ratio), "≤ 4 x bare", excess(ratio, 4), ratio <= 4)
	}
	return b.inits()
}

// initialisation is one line of GODEBUG=inittrace=1.
type initialisation struct {
	pkg           string
	clock         float64 // ms
	bytes, allocs int
}

// inits lists whose package initialisation the start-up is.
func (b *bench) inits() error {
	c := exec.Command(b.edrc, "version")
	c.Env = b.env("GODEBUG=inittrace=1")
	var trace bytes.Buffer
	c.Stderr = &trace
	if err := c.Run(); err != nil {
		return err
	}
	var all []initialisation
	var sum float64
	ours := 0
	for sc := bufio.NewScanner(&trace); sc.Scan(); {
		var i initialisation
		var at float64
		if _, err := fmt.Sscanf(sc.Text(), "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &i.pkg, &at, &i.clock, &i.bytes, &i.allocs); err != nil {
			continue
		}
		if strings.HasPrefix(i.pkg, "edrc/") && i.clock >= 0.05 {
			ours++
		}
		sum += i.clock
		all = append(all, i)
	}
	slices.SortStableFunc(all, func(x, y initialisation) int { return cmp.Compare(y.clock, x.clock) })
	b.report.initsTotal, b.report.inits = sum, all[:min(12, len(all))]
	b.report.add("package initialisation, all", fmt.Sprintf("%.2f ms in %d packages", sum, len(all)), "", 0, true)
	b.report.add("packages of ours that take 0.05 ms or more to initialise", fmt.Sprint(ours), "0", 0, ours == 0)
	return nil
}

// env is the environment of a command: no configuration of the user's.
func (b *bench) env(more string) []string {
	out := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "EDRC_") || strings.HasPrefix(e, "GODEBUG=") })
	out = append(out, "XDG_CONFIG_HOME="+b.dir, "XDG_STATE_HOME="+b.dir)
	if b.profile != "" {
		out = append(out, "EDRC_BENCH_PROFILE="+b.profile)
	}
	if more != "" {
		out = append(out, more)
	}
	return out
}

func median(ds []time.Duration) time.Duration { return percentile(ds, 50) }

func percentile(ds []time.Duration, p int) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(ds))
	return s[min(len(s)-1, len(s)*p/100)]
}
