package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func alertKeepsPlace(t *testing.T, b Backend) {
	update(t, b, func(tx ledger.Tx) error { return tx.PutAlert(newAlert("s", "1", at(1))) })
	moved := newAlert("s", "1", at(99))
	moved.Title = "new"
	update(t, b, func(tx ledger.Tx) error { return tx.PutAlert(moved) })
	if !moved.Created.Equal(at(1)) {
		t.Errorf("the caller's record says %v, so its key would be wrong", moved.Created)
	}
	view(t, b, func(tx ledger.Tx) error {
		all, err1 := ids(tx, "", time.Time{}, time.Time{})
		a, err2 := tx.Alert("s", "1")
		wrong, err3 := tx.AlertAt(ledger.AlertKey{Source: "s", Created: at(99), ID: "1"})
		if len(all) != 1 || a == nil || !a.Created.Equal(at(1)) || a.Title != "new" {
			t.Errorf("stored %v: %+v", all, a)
		}
		if wrong == nil {
			t.Error("an alert was not found by its id because of another time")
		}
		return errors.Join(err1, err2, err3)
	})
}

func alertOrder(t *testing.T, b Backend) {
	zero := time.Time{}
	update(t, b, func(tx ledger.Tx) error {
		for _, a := range []*ledger.Alert{
			newAlert("s", "late", at(10)), newAlert("s", "b", at(5)), newAlert("s", "a", at(5)),
			newAlert("s", "never", zero), newAlert("s", "old", time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)),
			newAlert("s", "early", at(1)), newAlert("s", "later", at(10).Add(1)), newAlert("r", "x", at(7)), newAlert("sx", "y", at(3)),
		} {
			if err := tx.PutAlert(a); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tc := range []struct {
		source   string
		from, to time.Time
		want     []string
	}{
		{"s", zero, zero, []string{"never", "old", "early", "a", "b", "late", "later"}},
		{"s", at(5), at(10), []string{"a", "b", "late"}},
		{"s", at(5).Add(1), zero, []string{"late", "later"}},
		{"s", zero, at(1), []string{"never", "old", "early"}},
		{"s", at(6), at(9), nil},
		{"none", zero, zero, nil},
		{"", at(3), at(7), []string{"x", "a", "b", "y"}},
	} {
		view(t, b, func(tx ledger.Tx) error {
			got, err := ids(tx, tc.source, tc.from, tc.to)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q [%v, %v]: %v, want %v", tc.source, tc.from, tc.to, got, tc.want)
			}
			return err
		})
	}
}

func hostileIDs(t *testing.T, b Backend) {
	evil := []string{
		"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "a", "a\x00", "a\x00b", "a\x00\x01b", "a:b", "a/b", "incident/1",
		"ä", "\U0001f600", "\xff", "\xff\xfe", "x\x01\x00", " ", "\n",
	}
	update(t, b, func(tx ledger.Tx) error {
		for _, source := range evil {
			for _, id := range evil {
				a := newAlert(source, id, at(1))
				a.Title = source + "|" + id
				e := &ledger.Effect{EffectKey: ledger.EffectKey{Source: alert.SourceID(source), Container: id, Marker: "m"}, Reason: a.Title}
				if err := errors.Join(tx.PutAlert(a), tx.PutEffect(e)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	view(t, b, func(tx ledger.Tx) error {
		want := slices.Sorted(slices.Values(evil))
		for _, source := range evil {
			got, err := ids(tx, source, time.Time{}, time.Time{})
			if err != nil {
				return err
			}
			if !slices.Equal(got, want) {
				t.Errorf("source %q has %q", source, got)
			}
			for _, id := range evil {
				a, err1 := tx.Alert(alert.SourceID(source), id)
				e, err2 := tx.Effect(ledger.EffectKey{Source: alert.SourceID(source), Container: id, Marker: "m"})
				if err := errors.Join(err1, err2); err != nil {
					return err
				}
				if a == nil || a.ID != id || string(a.Handle.Source) != source || e == nil || e.Container != id {
					t.Errorf("%q of %q came back as %+v, %+v", id, source, a, e)
				}
			}
		}
		all, err := ids(tx, "", time.Time{}, time.Time{})
		if len(all) != len(evil)*len(evil) {
			t.Errorf("all sources together have %d of %d", len(all), len(evil)*len(evil))
		}
		return err
	})
}

func alertWhole(t *testing.T, b Backend) {
	yes := true
	want := &ledger.Alert{
		Handle: alert.Handle{Source: "s", ID: "1", Note: "n", Group: "g", Locator: json.RawMessage(`{"a":[1,2]}`)},
		Name:   "prod", Kind: "sentinelone", State: ledger.AlertDone, Reason: "r", Digest: "d", Title: "<t> \u202e \"q\"",
		Severity: alert.Critical, Status: alert.StatusInProgress, Created: at(1).Add(123456789), Updated: at(2),
		Host: alert.Host{ID: "h", Name: "host", Reachable: &yes}, User: "u",
		Files:  []alert.File{{Hashes: alert.Hashes{SHA256: hash(64, "1")}, Path: `C:\x`, Size: 3, Role: alert.RoleThreat}},
		Attack: []alert.Technique{{ID: "T1"}}, URL: "https://x", Seen: at(3), Noted: alert.Malicious, Marker: "m",
		NoteID: "n1", NoteAt: at(4), Verdict: alert.Malicious, Family: "f",
	}
	update(t, b, func(tx ledger.Tx) error { return tx.PutAlert(want) })
	view(t, b, func(tx ledger.Tx) error {
		got, err := tx.AlertAt(want.Key())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stored and read differ:\n%s", diff)
		}
		return err
	})
}
