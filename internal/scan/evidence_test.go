package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// plain is a source that gives no files.
type plain struct{}

func (plain) Name() string                                 { return "src" }
func (plain) Kind() string                                 { return "product" }
func (plain) Traits() source.Traits                        { return source.Traits{} }
func (plain) Check(context.Context) (source.Health, error) { return source.Health{}, nil }

// giver is a product that gives a file in as many steps as it is told to.
type giver struct {
	plain
	steps    []source.FetchState // of StartFetch, then of each PollFetch; the last one holds
	content  []byte
	name     string
	password func(attempt int, asked string) string // of the archive, nil for the one that was asked for
	openErr  error

	asked []source.FetchRequest
	polls int
}

func (g *giver) step(n int, r source.FetchRequest) source.FetchStep {
	return source.FetchStep{State: g.steps[min(n, len(g.steps)-1)], Reason: "so it is", Retry: 5 * time.Second,
		Ticket: source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}}
}

func (g *giver) StartFetch(_ context.Context, r source.FetchRequest) (source.FetchStep, error) {
	g.asked = append(g.asked, r)
	g.polls = 0
	return g.step(0, r), nil
}

func (g *giver) PollFetch(_ context.Context, t source.Ticket) (source.FetchStep, error) {
	g.polls++
	return g.step(g.polls, source.FetchRequest{Handle: t.Handle, File: t.File, Attempt: t.Attempt}), nil
}

func (g *giver) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	if g.openErr != nil {
		err := g.openErr
		g.openErr = nil
		return nil, err
	}
	is := password
	if g.password != nil {
		is = g.password(t.Attempt, password)
	}
	a, err := spool.Wrap(ctx, bytes.NewReader(g.content), g.name, is)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	r, err := a.Open()
	if err != nil {
		return nil, err
	}
	return spool.Take(ctx, r, password)
}

// gathering collects from a giver, with a clock that only waiting moves.
type gathering struct {
	t     *testing.T
	clock *clock
	dir   string
	spool *sample.Spool
	slept []time.Duration
	told  []string
	f     Fetching
}

func newGathering(t *testing.T) *gathering {
	t.Helper()
	g := &gathering{t: t, clock: newClock(), dir: t.TempDir()}
	var err error
	if g.spool, err = sample.OpenSpool(filepath.Join(g.dir, "spool")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.spool.Close() })
	g.f = Fetching{Spool: func(bool) (*sample.Spool, error) { return g.spool, nil },
		Secret: func() ([]byte, error) { return bytes.Repeat([]byte{7}, 32), nil }}
	return g
}

func (g *gathering) collect(src source.Source, hs alert.Hashes, wait time.Duration) (*sample.Archive, sample.Contents, error) {
	o := CollectOptions{Wait: wait, Password: "infected", Now: g.clock.now, Tell: func(s string) { g.told = append(g.told, s) },
		Sleep: func(ctx context.Context, d time.Duration) error {
			g.slept = append(g.slept, d)
			g.clock.add(d)
			return ctx.Err()
		}}
	a, c, err := g.f.Collect(g.t.Context(), src, alert.Handle{Source: "sid", ID: "T1"}, alert.File{Hashes: hs, Name: "x.exe"}, o)
	if a != nil {
		g.t.Cleanup(func() { _ = a.Close() })
	}
	return a, c, err
}

// left fails when anything of a file stands on the disk.
func (g *gathering) left(content []byte) {
	g.t.Helper()
	_ = filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if b, _ := os.ReadFile(path); bytes.Contains(b, content) {
				g.t.Errorf("%s has the file in clear", path)
			}
		}
		return err
	})
}

func hashesOfBytes(b []byte) alert.Hashes {
	sum := sha256.Sum256(b)
	return alert.NewHashes(hex.EncodeToString(sum[:]))
}

func TestCollectWaitsAndPacksTheFileAnewWithThePasswordOfTheField(t *testing.T) {
	content := []byte("MZ inert: not much of a program, but all of one")
	p := &giver{steps: []source.FetchState{source.FetchPending, source.FetchPending, source.FetchReady}, content: content, name: "C/dir/e\x1b[31mv\u202eil?.exe. "}
	g := newGathering(t)
	a, c, err := g.collect(p, hashesOfBytes(content), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if a.Password() != "infected" || a.Format() != sample.Zip || c.Hashes != a.Hashes || c.Size != int64(len(content)) || c.Type != sample.Executable {
		t.Errorf("%v %+v", a, c)
	}
	if want := []time.Duration{5 * time.Second, 5 * time.Second}; !slices.Equal(g.slept, want) {
		t.Errorf("slept %v", g.slept)
	}
	secret, _ := g.f.Secret()
	if p.asked[0].Password != sample.Password(secret, "sid", "T1", 1) || p.asked[0].Attempt != 1 {
		t.Errorf("asked %+v", p.asked)
	}
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(r)
	again, err := g.spool.Take(t.Context(), bytes.NewReader(raw), "infected")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got, err := sample.Inspect(t.Context(), again, sample.Limits{}, hashesOfBytes(content))
	if err != nil || got.Path != "e_[31mv_il_.exe" || got.Files != 1 || !got.Encrypted {
		t.Errorf("%+v %v", got, err)
	}
	g.left(content)
}

func TestCollectAsksAnewForWhatCannotBeOpenedAndGivesUpAfterThree(t *testing.T) {
	content := []byte("MZ one two three")
	wrong := func(first int) func(int, string) string {
		return func(attempt int, asked string) string {
			if attempt <= first {
				return "Another1!password"
			}
			return asked
		}
	}
	for _, tc := range []struct {
		name    string
		product *giver
		asked   int
		problem sample.Problem
	}{
		{"once wrong", &giver{password: wrong(1)}, 2, ""},
		{"always wrong", &giver{password: wrong(9)}, 3, sample.WrongPassword},
		{"gone once", &giver{openErr: fault.New(fault.Gone, "expired")}, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.product
			p.steps, p.content, p.name = []source.FetchState{source.FetchReady}, content, "x.exe"
			g := newGathering(t)
			a, _, err := g.collect(p, hashesOfBytes(content), time.Minute)
			if len(p.asked) != tc.asked || sample.ProblemOf(err) != tc.problem || (err == nil) != (a != nil) {
				t.Fatalf("asked %d times: %v", len(p.asked), err)
			}
			seen := map[string]bool{}
			for i, r := range p.asked {
				if seen[r.Password] || r.Attempt != i+1 {
					t.Errorf("attempt %d repeats a password", r.Attempt)
				}
				seen[r.Password] = true
				if strings.Contains(strings.Join(g.told, " "), r.Password) || err != nil && strings.Contains(err.Error(), r.Password) {
					t.Error("a password is told")
				}
			}
		})
	}
}

func TestCollectSaysWhyAFileCannotBeHad(t *testing.T) {
	content := []byte("MZ other bytes than those of the alert")
	for _, tc := range []struct {
		name  string
		steps []source.FetchState
		want  fault.Kind
		words string
		slept time.Duration
	}{
		{"offline", []source.FetchState{source.FetchUnreachable}, fault.Unavailable, "endpoint offline: so it is", 0},
		{"offline meanwhile", []source.FetchState{source.FetchPending, source.FetchUnreachable}, fault.Unavailable, "endpoint offline", 5 * time.Second},
		{"none", []source.FetchState{source.FetchNone}, fault.NotFound, "so it is", 0},
		{"never", []source.FetchState{source.FetchPending}, fault.Unavailable, "within 12s", 12 * time.Second},
		{"lost", []source.FetchState{source.FetchLost}, fault.Gone, "so it is", 0},
		{"unknown", []source.FetchState{"dancing"}, fault.Unavailable, `"dancing"`, 0},
		{"other bytes", []source.FetchState{source.FetchReady}, fault.Corrupt, "the alert says", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGathering(t)
			p := &giver{steps: tc.steps, content: content, name: "x.exe"}
			a, _, err := g.collect(p, hashesOf("the one that is wanted"), 12*time.Second)
			if a != nil || !fault.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) || !strings.HasPrefix(err.Error(), "src: ") {
				t.Fatalf("%v %v", a, err)
			}
			var slept time.Duration
			for _, d := range g.slept {
				slept += d
			}
			if slept != tc.slept {
				t.Errorf("slept %v", g.slept)
			}
		})
	}
}

func TestCollectWithNoWaitAsksAndLooksNoMore(t *testing.T) {
	p := &giver{steps: []source.FetchState{source.FetchPending, source.FetchReady}, content: []byte("x"), name: "x"}
	g := newGathering(t)
	if _, _, err := g.collect(p, hashesOfBytes([]byte("x")), 0); !fault.Is(err, fault.Unavailable) || len(p.asked) != 1 || p.polls != 0 {
		t.Errorf("%v, asked %d, looked %d", err, len(p.asked), p.polls)
	}
}

func TestCollectEndsWithItsContextAndNeedsAFetcher(t *testing.T) {
	g := newGathering(t)
	if _, _, err := g.collect(plain{}, alert.Hashes{}, 0); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "product cannot fetch files") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &giver{steps: []source.FetchState{source.FetchPending}}
	_, _, err := g.f.Collect(ctx, p, alert.Handle{Source: "sid", ID: "T1"}, alert.File{}, CollectOptions{Wait: time.Minute, Now: g.clock.now, Sleep: func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }, Tell: func(string) {}})
	if !fault.Is(err, fault.Interrupted) {
		t.Error(err)
	}
	g.f.Secret = func() ([]byte, error) { return nil, errors.New("no secret") }
	if _, _, err := g.collect(p, alert.Hashes{}, 0); err == nil || !strings.Contains(err.Error(), "no secret") {
		t.Error(err)
	}
}

func TestAPlainNameIsTakenByEverySystem(t *testing.T) {
	for in, want := range map[string]string{"a.exe": "a.exe", "…": "…", "": "sample", " . ": "sample", "x\x00y": "x_y", "..": "sample", "a:b|c.exe ": "a_b_c.exe",
		"\x1b]0;owned\x07\u202egpj.exe": "_]0;owned__gpj.exe", "грим.exe": "грим.exe"} {
		if got := plainName(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
