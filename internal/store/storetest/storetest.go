// Package storetest is what every store of edrc must do, as tests: package store
// passes it, and so must any other backend.
package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// Backend is a store.
type Backend interface {
	View(ctx context.Context, fn func(ledger.Tx) error) error
	Update(ctx context.Context, records int, fn func(ledger.Tx) error) error
	Close() error
}

// Sharer is a backend that can be opened a second time, as another process would.
type Sharer interface {
	Again(t *testing.T) Backend
}

// Run holds a backend to the contract of [ledger.Tx]. open gives an empty one,
// which is closed by the test.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	tests := []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"nothing is found in an empty store, and that is no error", emptyStore},
		{"a function reads its own writes and those before it", readYourWrites},
		{"a failing function is undone alone", failingAlone},
		{"a panicking function is undone alone", panicAlone},
		{"a cancelled update never runs", cancelledNeverRuns},
		{"a view cannot write", viewCannotWrite},
		{"records are copies", recordsAreCopies},
		{"an alert keeps the creation time it was stored with", alertKeepsPlace},
		{"alerts come in order of time, then id, within bounds that are inclusive", alertOrder},
		{"hostile ids stay apart and in order", hostileIDs},
		{"an alert round-trips whole", alertWhole},
		{"due jobs come by priority, rank, age", dueOrder},
		{"a job waits for its next try and for the claim of another", dueTimes},
		{"jobs that became due merge with those that were", dueMerge},
		{"a terminal job leaves the queue and an active one is known by rank", activeBelow},
		{"of two holders of a claim only the newer commits", fencing},
		{"wanting alerts are paged in order", wants},
		{"fan-outs remember how far they got", fanouts},
		{"outgoing notes are ordered by marker and paged", outgoing},
		{"a verdict is found under every hash of its file", aliases},
		{"a verdict under SHA-1 moves to SHA-256 when that is known", aliasMerge},
		{"files that share a weak hash do not share a verdict", aliasCollision},
		{"verdicts are paged by engine and hash", verdictPages},
		{"alerts, jobs and notes are paged in key order", recordPages},
		{"what is forgotten leaves no trace in any index", forgotten},
		{"cursors, leases, quota, quarantine, meta and effects round-trip", books},
		{"concurrent updates all count", concurrent},
		{"two processes take turns", twoProcesses},
		{"the job queue behaves as a sorted list would", queueModel},
		{"alerts behave as a sorted map would", alertModel},
	}
	for _, tc := range tests {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			tc.run(t, b)
		})
	}
}

// base is a moment that the tests count from.
var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return base.Add(time.Duration(minutes) * time.Minute) }

// tester is a test, or a round of a rapid one.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func update(t tester, b Backend, fn func(ledger.Tx) error) {
	t.Helper()
	if err := b.Update(context.Background(), 1, fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func view(t tester, b Backend, fn func(ledger.Tx) error) {
	t.Helper()
	if err := b.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func newAlert(source, id string, created time.Time) *ledger.Alert {
	return &ledger.Alert{
		Handle: alert.Handle{Source: alert.SourceID(source), ID: id},
		State:  ledger.AlertSeen, Created: created, Name: "name-" + source,
	}
}

// hash makes a well-formed hash of n digits that ends in s.
func hash(n int, s string) alert.Hash {
	return alert.Hash(strings.Repeat("a", n-len(s)) + s)
}

func newJob(engine string, h alert.Hash, p alert.Severity, created time.Time) *ledger.Job {
	return &ledger.Job{
		Key: ledger.JobKey{Engine: engine, Hash: h}, State: ledger.JobWanted, Priority: p, Created: created,
	}
}

// ids gives the ids of alerts created within bounds.
func ids(tx ledger.Tx, source string, from, to time.Time) (out []string, err error) {
	for a, err := range tx.Alerts(alert.SourceID(source), from, to) {
		if err != nil {
			return nil, err
		}
		out = append(out, a.ID)
	}
	return out, nil
}
