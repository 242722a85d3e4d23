package store

import (
	"iter"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// A verdict is filed under the strongest hash known for its file, and the file's
// other hashes point to that one. An alias points from a weaker algorithm to a
// stronger one only: a chain is short and cannot close, and two files that share
// an MD5 or SHA-1 (a collision is cheap to make) never share a SHA-256's verdict.

// Verdict finds a verdict under any hash known to be the file's.
func (t *tx) Verdict(engine string, h alert.Hash) (*ledger.VerdictRecord, error) {
	return getJSON[ledger.VerdictRecord](t, kVerdicts, jobKey(engine, t.root(engine, h)))
}

// root follows the aliases of h to the hash its file is filed under.
func (t *tx) root(engine string, h alert.Hash) alert.Hash {
	for {
		next := alert.Hash(t.get(kAliases, jobKey(engine, h)))
		if next == "" || !stronger(next, h) {
			return h
		}
		h = next
	}
}

func rank(h alert.Hash) int { return ledger.JobKey{Hash: h}.Rank() }

func stronger(a, b alert.Hash) bool { return rank(a) < rank(b) }

// PutVerdict stores the verdict under the file's best hash and makes its other
// hashes aliases. What was filed under one of those is merged: the old key becomes
// an alias, and the hashes that the older record knew are kept.
func (t *tx) PutVerdict(v *ledger.VerdictRecord, also ...alert.Hash) error {
	hashes := usable(append(v.Verdict.All(), also...))
	if len(hashes) == 0 {
		return fault.New(fault.Invalid, "a verdict without a hash cannot be remembered")
	}
	best := hashes[0] // the sort is stable, so that the engine's own stands before also
	var roots []alert.Hash
	for _, h := range hashes {
		r := t.root(v.Engine, h)
		if roots = append(roots, r); stronger(r, best) {
			best = r
		}
	}
	record := *v
	record.Verdict.Hashes = fill(record.Verdict.Hashes, hashes)
	for _, r := range append(roots, best) {
		if r != best && !stronger(best, r) {
			continue // another file, by its equally strong hash: only the alias moves
		}
		old, err := getJSON[ledger.VerdictRecord](t, kVerdicts, jobKey(v.Engine, r))
		if err != nil {
			return err
		}
		if old != nil {
			record.Verdict.Hashes = fill(record.Verdict.Hashes, append(old.Verdict.All(), r))
		}
	}
	if err := t.alias(v.Engine, best, append(hashes, roots...)); err != nil {
		return err
	}
	return putJSON(t, kVerdicts, jobKey(v.Engine, best), &record)
}

// alias points every weaker hash to best, and removes what was filed under it.
func (t *tx) alias(engine string, best alert.Hash, hashes []alert.Hash) error {
	for _, h := range hashes {
		if !stronger(best, h) {
			continue
		}
		at := jobKey(engine, h)
		if t.get(kVerdicts, at) != nil {
			if err := t.del(kVerdicts, at); err != nil {
				return err
			}
		}
		if string(t.get(kAliases, at)) == string(best) {
			continue
		}
		if err := t.put(kAliases, at, []byte(best)); err != nil {
			return err
		}
	}
	return nil
}

// usable drops hashes that identify no file, and sorts the strongest first.
func usable(hs []alert.Hash) []alert.Hash {
	hs = slices.DeleteFunc(slices.Clone(hs), func(h alert.Hash) bool { return h == "" || h.Refused() })
	slices.SortStableFunc(hs, func(a, b alert.Hash) int { return rank(a) - rank(b) })
	return slices.Compact(hs)
}

// fill adds hashes of algorithms that hs has none of.
func fill(hs alert.Hashes, more []alert.Hash) alert.Hashes {
	for _, h := range more {
		switch {
		case h.Algo() == alert.SHA256 && hs.SHA256 == "":
			hs.SHA256 = h
		case h.Algo() == alert.SHA1 && hs.SHA1 == "":
			hs.SHA1 = h
		case h.Algo() == alert.MD5 && hs.MD5 == "":
			hs.MD5 = h
		}
	}
	return hs
}

// DeleteVerdict forgets a verdict and the aliases that lead to it.
func (t *tx) DeleteVerdict(engine string, h alert.Hash) error {
	root := t.root(engine, h)
	v, err := t.Verdict(engine, root)
	if err != nil || v == nil {
		return err
	}
	for _, h := range append(v.Verdict.All(), h) {
		if at := jobKey(engine, h); string(t.get(kAliases, at)) == string(root) {
			if err := t.del(kAliases, at); err != nil {
				return err
			}
		}
	}
	return t.del(kVerdicts, jobKey(engine, root))
}

// Verdicts visits every verdict of the engine ("" for all), in hash order.
func (t *tx) Verdicts(engine string) iter.Seq2[*ledger.VerdictRecord, error] {
	return each[ledger.VerdictRecord](t, kVerdicts, prefix(engine), nil, nil)
}
