package term

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// screen plays a terminal of the given width: it understands what Progress uses.
func screen(written string) string {
	var rows []string
	for written != "" {
		if strings.HasPrefix(written, "\x1b[") {
			var up int
			if n, _ := fmt.Sscanf(written, "\x1b[%dA\r\x1b[J", &up); n == 1 {
				rows = rows[:len(rows)-up]
				_, written, _ = strings.Cut(written, "\x1b[J")
				continue
			}
		}
		line, rest, _ := strings.Cut(written, "\n")
		rows, written = append(rows, line), rest
	}
	return strings.Join(rows, "\n")
}

func terminal() (*IO, fmt.Stringer) {
	io, _, stderr := Test("")
	io.ErrTTY, io.Color = true, Never
	return io, stderr
}

func TestProgressWritesNothingWithoutATerminal(t *testing.T) {
	for _, dumb := range []bool{false, true} {
		io, out, stderr := Test("")
		if dumb {
			io.ErrTTY = true
			io.Getenv = func(string) string { return "dumb" }
		}
		p := io.NewProgress()
		task := p.Task("s1", "alerts")
		task.Add(5)
		task.Done()
		p.Done()
		if out.Len()+stderr.Len() != 0 {
			t.Fatalf("wrote %q %q", out, stderr)
		}
	}
}

func TestProgressShowsEachTaskAndVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io, stderr := terminal()
		p := io.NewProgress()
		s1, falcon := p.Task("s1", "alerts"), p.Task("falcon", "alerts")
		s1.Total(300)
		s1.Add(212)
		falcon.Note("waiting 12s: rate limit")
		time.Sleep(2 * time.Second)
		s1.Add(8)
		synctest.Wait() // for the redraw
		want := "s1      220 / 300 alerts  110/s\nfalcon  0 alerts  waiting 12s: rate limit"
		if got := screen(stderr.String()); got != want {
			t.Fatalf("screen:\n%s", got)
		}
		falcon.Done()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := screen(stderr.String()); !strings.Contains(got, "falcon  0 alerts  done in 2s") {
			t.Fatalf("screen:\n%s", got)
		}
		p.Done()
		if got := screen(stderr.String()); got != "" {
			t.Fatalf("left on the screen:\n%s", got)
		}
		s1.Add(1)
		time.Sleep(time.Second)
		if got := screen(stderr.String()); got != "" {
			t.Fatalf("drawn after Done:\n%s", got)
		}
	})
}

func TestProgressRedrawsAtMostTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io, stderr := terminal()
		p := io.NewProgress()
		task := p.Task("s1", "alerts")
		for range 1000 {
			task.Add(1)
			time.Sleep(time.Millisecond)
		}
		p.Done()
		if n := strings.Count(stderr.String(), "s1"); n > 11 {
			t.Fatalf("%d redraws in a second", n)
		}
	})
}

func TestLinesPrintedMeanwhileStayAboveTheDisplay(t *testing.T) {
	io, stderr := terminal()
	p := io.NewProgress()
	p.Println("before")
	p.Task("s1", "alerts")
	p.Println("a warning")
	_, _ = fmt.Fprint(p, "no newline")
	p.Around(func() { _, _ = fmt.Fprintln(io.Err, "a result") })
	if got, want := screen(stderr.String()), "before\na warning\nno newline\na result\ns1  0 alerts"; got != want {
		t.Fatalf("screen:\n%s", got)
	}
	p.Done()
	p.Println("after")
	if got, want := screen(stderr.String()), "before\na warning\nno newline\na result\nafter"; got != want {
		t.Fatalf("screen:\n%s", got)
	}
}

func TestProgressFitsTheWindowAndSurvivesItsShrinking(t *testing.T) {
	io, stderr := terminal()
	width, height := 20, 5
	io.ErrSize = func() (int, int) { return width, height }
	p := io.NewProgress()
	for i := range 5 {
		p.tasks = append(p.tasks, &Task{p: p, name: fmt.Sprint("source-with-a-name-", i), unit: "日本語アラート"})
	}
	p.flush(p.draw)
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	if len(lines) != 3 || lines[2] != "… and 3 more" {
		t.Fatalf("%q", lines)
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) >= width {
			t.Errorf("%q does not fit %d", l, width)
		}
	}
	width = 10 // two lines of 19 cells now take two rows each, "… and 3 more" two
	p.Done()
	if !strings.HasSuffix(stderr.String(), "\x1b[6A\r\x1b[J") {
		t.Fatalf("%q", stderr)
	}
}

func TestCutCountsWideRunesAsTwo(t *testing.T) {
	for _, tc := range []struct {
		in    string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 4, "日…"}, {"日本", 4, "日本"}, {"ab", 1, "a"}} {
		if got, cells := cut(tc.in, tc.width); got != tc.want || cells > tc.width {
			t.Errorf("cut(%q, %d) = %q, %d", tc.in, tc.width, got, cells)
		}
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails on a goroutine that is left
		io, _ := terminal()
		p := io.NewProgress()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				task := p.Task(fmt.Sprint("s", i), "alerts")
				for range 50 {
					task.Add(1)
					time.Sleep(7 * time.Millisecond)
				}
				p.Println("finished", i)
				task.Done()
			})
		}
		wg.Wait()
		p.Done()
	})
}

func TestNilProgressDoesNothing(t *testing.T) {
	var p *Progress
	p.Task("s1", "alerts").Add(1)
	p.Println("x")
	_, _ = fmt.Fprintln(p, "x")
	ran := false
	p.Around(func() { ran = true })
	p.Done()
	if !ran {
		t.Fatal("Around did not run")
	}
}
