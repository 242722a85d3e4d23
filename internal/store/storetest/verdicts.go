package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func newVerdict(class alert.Class, hs alert.Hashes) *ledger.VerdictRecord {
	return &ledger.VerdictRecord{Engine: "e", Verdict: alert.Verdict{Class: class, Hashes: hs}, Learned: at(0)}
}

// class gives what is known of a hash, "" when nothing is.
func class(t *testing.T, b Backend, h alert.Hash) (out alert.Class) {
	t.Helper()
	view(t, b, func(tx ledger.Tx) error {
		v, err := tx.Verdict("e", h)
		if v != nil {
			out = v.Verdict.Class
		}
		return err
	})
	return out
}

func verdicts(t *testing.T, b Backend) (keys []alert.Hash) {
	t.Helper()
	view(t, b, func(tx ledger.Tx) error {
		for v, err := range tx.Verdicts("e") {
			if err != nil {
				return err
			}
			keys = append(keys, v.Key().Hash)
		}
		return nil
	})
	return keys
}

var (
	strong, sha1, md5 = hash(64, "1"), hash(40, "1"), hash(32, "1")
	strong2           = hash(64, "2")
)

func aliases(t *testing.T, b Backend) {
	v := newVerdict(alert.Malicious, alert.Hashes{SHA256: strong, MD5: md5})
	empty := alert.Hash("da39a3ee5e6b4b0d3255bfef95601890afd80709")
	update(t, b, func(tx ledger.Tx) error { return tx.PutVerdict(v, sha1, empty, "") })
	for _, h := range []alert.Hash{strong, sha1, md5} {
		if got := class(t, b, h); got != alert.Malicious {
			t.Errorf("%s: %q", h, got)
		}
	}
	if class(t, b, empty) != "" || class(t, b, strong2) != "" {
		t.Error("a hash that is not the file's has its verdict")
	}
	if got := verdicts(t, b); !slices.Equal(got, []alert.Hash{strong}) {
		t.Errorf("one verdict is listed as %v", got)
	}
	if err := b.Update(t.Context(), 1, func(tx ledger.Tx) error { return tx.PutVerdict(newVerdict(alert.Trusted, alert.Hashes{})) }); err == nil {
		t.Error("a verdict without a hash was taken")
	}
	update(t, b, func(tx ledger.Tx) error { return tx.DeleteVerdict("e", md5) })
	for _, h := range []alert.Hash{strong, sha1, md5} {
		if got := class(t, b, h); got != "" {
			t.Errorf("%s: %q after it was deleted", h, got)
		}
	}
}

func aliasMerge(t *testing.T, b Backend) {
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(
			tx.PutVerdict(newVerdict(alert.Suspicious, alert.Hashes{SHA1: sha1})),
			tx.PutVerdict(newVerdict(alert.Unknown, alert.Hashes{MD5: md5})))
	})
	update(t, b, func(tx ledger.Tx) error {
		return tx.PutVerdict(newVerdict(alert.Malicious, alert.Hashes{SHA256: strong, SHA1: sha1}), md5)
	})
	if got := verdicts(t, b); !slices.Equal(got, []alert.Hash{strong}) {
		t.Errorf("after the merge there are %v", got)
	}
	update(t, b, func(tx ledger.Tx) error { return tx.PutVerdict(newVerdict(alert.Trusted, alert.Hashes{SHA1: sha1})) })
	for _, h := range []alert.Hash{strong, sha1, md5} {
		if got := class(t, b, h); got != alert.Trusted {
			t.Errorf("%s: %q, not the newest", h, got)
		}
	}
	if got := verdicts(t, b); !slices.Equal(got, []alert.Hash{strong}) {
		t.Errorf("a newer verdict by a weaker hash forgot the stronger one: %v", got)
	}
}

func aliasCollision(t *testing.T, b Backend) {
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(
			tx.PutVerdict(newVerdict(alert.Malicious, alert.Hashes{SHA256: strong, MD5: md5})),
			tx.PutVerdict(newVerdict(alert.Trusted, alert.Hashes{SHA256: strong2, MD5: md5})))
	})
	if a, b := class(t, b, strong), class(t, b, strong2); a != alert.Malicious || b != alert.Trusted {
		t.Errorf("two files that share an MD5 are %q and %q", a, b)
	}
}

func outgoing(t *testing.T, b Backend) {
	var all []*ledger.Outgoing
	for _, marker := range []string{"aaaa", "bbbb", "bbbb\x00"} {
		for _, k := range alertKeys(4) {
			all = append(all, &ledger.Outgoing{Alert: k, Marker: marker, Class: alert.Malicious})
		}
	}
	other := &ledger.Outgoing{Alert: ledger.AlertKey{Source: "z", ID: "1"}, Marker: "aaaa"}
	update(t, b, func(tx ledger.Tx) error {
		for i := range all {
			if err := tx.PutOutgoing(all[(i*5)%len(all)]); err != nil {
				return err
			}
		}
		return tx.PutOutgoing(other)
	})
	page := func() (got []*ledger.Outgoing) {
		view(t, b, func(tx ledger.Tx) error {
			for after := (*ledger.Outgoing)(nil); ; after = got[len(got)-1] {
				page, err := tx.Outgoing("s", after, 5)
				if err != nil {
					return err
				}
				if got = append(got, page...); len(page) < 5 {
					return nil
				}
			}
		})
		return got
	}
	if diff := cmp.Diff(all, page()); diff != "" {
		t.Errorf("paged:\n%s", diff)
	}
	update(t, b, func(tx ledger.Tx) error { return tx.DeleteOutgoing(all[3]) })
	if diff := cmp.Diff(slices.Delete(all, 3, 4), page()); diff != "" {
		t.Errorf("after one was taken off:\n%s", diff)
	}
}

func books(t *testing.T, b Backend) {
	c := &ledger.Cursor{CursorKey: ledger.CursorKey{Source: "s", Stream: "st", By: "created"}, Watermark: at(1),
		Pass: &ledger.Pass{From: at(0), To: at(2), Windows: []ledger.Span{{From: at(0), To: at(1)}}, Token: "t", Alerts: 3}}
	l := &ledger.Lease{Name: "pull/s", Claim: ledger.Claim{}.Take("me", at(5))}
	q := &ledger.Quota{Engine: "e", Day: "2026-03-01", Spent: 3, Known: true, Limit: -1}
	z := &ledger.Quarantined{ID: "Q-1", Source: "s", What: "alert", At: at(0), Count: 2}
	e := &ledger.Effect{EffectKey: ledger.EffectKey{Source: "s", Container: "c", Marker: "m"}, State: ledger.EffectSending, Changed: at(0)}
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(tx.PutCursor(c), tx.PutLease(l), tx.PutQuota(q), tx.PutQuarantined(z), tx.PutEffect(e), tx.PutMeta("k", "v"), tx.PutMeta("", "none"))
	})
	view(t, b, func(tx ledger.Tx) error {
		c2, err1 := tx.Cursor(c.CursorKey)
		l2, err2 := tx.Lease(l.Name)
		q2, err3 := tx.Quota("e")
		e2, err4 := tx.Effect(e.EffectKey)
		m, err5 := tx.Meta("k")
		m2, err6 := tx.Meta("")
		for _, diff := range []string{cmp.Diff(c, c2), cmp.Diff(l, l2), cmp.Diff(q, q2), cmp.Diff(e, e2), cmp.Diff("v none", m+" "+m2)} {
			if diff != "" {
				t.Errorf("stored and read differ:\n%s", diff)
			}
		}
		return errors.Join(err1, err2, err3, err4, err5, err6)
	})
	visited := func() (got string) {
		view(t, b, func(tx ledger.Tx) error {
			got = fmt.Sprint(visit(tx.Cursors("s")), visit(tx.Cursors("other")), visit(tx.Effects("")), visit(tx.Effects("s")), visit(tx.Quarantine()))
			return nil
		})
		return got
	}
	if got := visited(); got != "1 0 1 1 1" {
		t.Errorf("visited %s", got)
	}
	update(t, b, func(tx ledger.Tx) error { return tx.DeleteQuarantined("Q-1") })
	if got := visited(); got != "1 0 1 1 0" {
		t.Errorf("visited %s after one was deleted", got)
	}
}

// visit counts records, -1 when one could not be read.
func visit[T any](seq func(func(*T, error) bool)) (n int) {
	for _, err := range seq {
		if err != nil {
			return -1
		}
		n++
	}
	return n
}
