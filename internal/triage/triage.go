// Package triage holds the use cases: list and read alerts, judge their files,
// write notes, and sync, which does all of that for every new alert. The command
// line and cron call the methods of [Service]; everything they decide is decided
// over ledger records inside a store transaction, so that a crash, a second
// process or a vendor's fault never loses an alert and never doubles a note.
//
// Start with sync.go for the order of things, pull.go for "no alert is missed",
// evaluate.go for what an alert waits for, and deliver.go for "no note is doubled".
package triage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
)

// Store is what triage remembers with: see [scan.Store].
type Store = scan.Store

// Settings are the user's choices that triage follows.
type Settings struct {
	LookBack time.Duration // of the first sync of a source; default 72 h
	Overlap  time.Duration // 0: the product's own
	Sweep    time.Duration // how far back the daily comparison of ids looks; default 7 d
	Wait     time.Duration // how long a sync waits for what is running once the rest is done
	Lease    time.Duration // how long a source may make no progress before another process takes over
	Workers  int           // file jobs worked on at once; default 8
	Senders  int           // notes in flight for each source; default 4
	// NotesOff: judge, but write nothing to any product.
	NotesOff bool
	// NoteRetry is the first wait after a note could not be sent; it doubles.
	NoteRetry time.Duration
}

func (s Settings) withDefaults() Settings {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&s.LookBack, 72*time.Hour)
	set(&s.Sweep, 7*24*time.Hour)
	set(&s.Lease, 2*time.Minute)
	set(&s.NoteRetry, 5*time.Second)
	if s.Workers <= 0 {
		s.Workers = 8
	}
	if s.Senders <= 0 {
		s.Senders = 4
	}
	return s
}

// Service carries out the use cases. All fields but Observe must be set; Scanner
// may be nil where nothing is judged. It is safe for concurrent use.
type Service struct {
	Sources  []source.Source
	Scanner  *scan.Scanner
	Store    Store
	Settings Settings
	Holder   string // names this process in claims: "host/pid/random"
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
	Observe  func(Event) // progress, nil for nobody; called from several goroutines

	sids sync.Map // of every source that has told: its alert.SourceID by its name
}

// Event is one step of progress, for a person watching.
type Event struct {
	Source string // "" for the judging of files
	What   string // "alerts", "files", "notes"
	Done   int    // so far
}

func (s *Service) observe(e Event) {
	if s.Observe != nil {
		s.Observe(e)
	}
}

// NewHolder names this process in claims and leases.
func NewHolder(host string, pid int) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return fmt.Sprintf("%s/%d/%s", host, pid, hex.EncodeToString(b[:]))
}

// Source finds a configured source by name.
func (s *Service) Source(name string) (source.Source, error) {
	names := make([]string, 0, len(s.Sources))
	for _, src := range s.Sources {
		if src.Name() == name {
			return src, nil
		}
		names = append(names, src.Name())
	}
	hint := "no source is configured; `edrc demo` shows edrc without one"
	if len(names) > 0 {
		hint = "configured: " + strings.Join(names, ", ")
	}
	return nil, fault.New(fault.NotFound, "no source is called %q", name).WithHint("%s", hint)
}

// Pick gives the named sources, or all when none is named.
func (s *Service) Pick(names []string) ([]source.Source, error) {
	if len(names) == 0 {
		return s.Sources, nil
	}
	var out []source.Source
	for _, name := range names {
		src, err := s.Source(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, src) {
			out = append(out, src)
		}
	}
	return out, nil
}

// SourceID is [source.ID].
func SourceID(ctx context.Context, src source.Source) (alert.SourceID, error) {
	return source.ID(ctx, src)
}

// SourceOf finds the configured source behind remembered alerts; nil when there is
// none. A source that cannot tell who it is may be the one: then its error.
func (s *Service) SourceOf(ctx context.Context, sid alert.SourceID) (source.Source, error) {
	var unknown error
	for _, src := range s.Sources {
		id, err := SourceID(ctx, src)
		switch {
		case err != nil:
			unknown = err
		case id == sid:
			return src, nil
		}
	}
	return nil, unknown
}

// SourceError is the failure of one source; the others go on.
type SourceError struct {
	Source string
	Err    error
}

// checkLease fails when another process has taken the source over.
func checkLease(tx ledger.Tx, l *ledger.Lease) error {
	if l == nil {
		return nil
	}
	stored, err := tx.Lease(l.Name)
	if err != nil {
		return err
	}
	if stored == nil || stored.Token != l.Token {
		return fmt.Errorf("source lease: %w", ledger.ErrStale)
	}
	return nil
}

// acquire takes the lease of a source. fault.Locked: another process reads it now.
func (s *Service) acquire(ctx context.Context, sid alert.SourceID) (*ledger.Lease, error) {
	var out *ledger.Lease
	err := s.Store.Update(ctx, 1, func(tx ledger.Tx) error {
		l, err := tx.Lease(string(sid))
		if err != nil {
			return err
		}
		if l == nil {
			l = &ledger.Lease{Name: string(sid)}
		}
		now := s.Now()
		if l.Held(now) && l.Holder != s.Holder {
			return fault.New(fault.Locked, "another edrc (%s) is reading it, until %s at the latest",
				l.Holder, l.Until.UTC().Format(time.TimeOnly+"Z"))
		}
		l.Claim = l.Take(s.Holder, now.Add(s.Settings.withDefaults().Lease))
		out = l
		return tx.PutLease(l)
	})
	return out, err
}

// renew extends the lease inside a commit that made progress.
func (s *Service) renew(tx ledger.Tx, l *ledger.Lease) error {
	l.Until = s.Now().Add(s.Settings.withDefaults().Lease)
	return tx.PutLease(l)
}

// release gives the lease back; when that fails it runs out by itself.
func (s *Service) release(l *ledger.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.Store.Update(ctx, 1, func(tx ledger.Tx) error {
		if err := checkLease(tx, l); err != nil {
			return err
		}
		return tx.PutLease(&ledger.Lease{Name: l.Name, Claim: l.Release()})
	})
}
