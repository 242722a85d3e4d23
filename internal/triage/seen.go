package triage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// What a word was found as.
const (
	MatchFile   = "file"
	MatchHost   = "host"
	MatchFamily = "family"
)

// Sighting is one remembered alert that a word was found in.
type Sighting struct {
	Row
	Match string // MatchFile, MatchHost, MatchFamily or "host, family"
}

// Sightings is the result of Seen. The numbers are of all that was found, also
// beyond the limit.
type Sightings struct {
	Rows           []Sighting // newest first
	Total          int
	Hosts, Sources int
	First, Last    time.Time // by the products' clocks; zero when nothing was found
	// Verdict is what is remembered of the file, when the word is a hash.
	Verdict *ledger.VerdictRecord
}

// Seen finds a file, a host or a malware family in everything remembered, across
// products. A word in the form of a hash is one; any other word is looked for as a
// host (name or id, "FIN-*" for a prefix) and as a family. limit 0 gives all.
//
// A judged file is found by the index of who wanted it, at once. Which hashes belong
// together is not known of a file that nobody has judged: then all alerts are looked
// at, as they are for a host or a family, and before "never" is said.
func (s *Service) Seen(ctx context.Context, word string, limit int) (*Sightings, error) {
	q := &query{Service: s, out: &Sightings{}, top: &topRows{limit: limit, less: newerRow},
		hosts: newDistinct[string](), sources: newDistinct[alert.SourceID]()}
	q.match = func(rec *ledger.Alert) string { return wordIn(word, rec) }
	var err error
	if h, notHash := alert.ParseHash(word); notHash == nil {
		err = q.byHash(ctx, h)
	}
	if err == nil && q.out.Total == 0 {
		err = q.all(ctx)
	}
	if err != nil {
		return nil, err
	}
	q.out.Hosts, q.out.Sources = q.hosts.len(), q.sources.len()
	rows := q.top.sorted()
	err = s.Store.View(ctx, func(tx ledger.Tx) (err error) {
		q.out.Rows = make([]Sighting, len(rows))
		for i, r := range rows {
			q.out.Rows[i].Match = q.match(r.Record)
			if q.out.Rows[i].Row, err = s.row(tx, r.Alert); err != nil {
				return err
			}
		}
		return nil
	})
	return q.out, err
}

// query is one Seen.
type query struct {
	*Service
	out     *Sightings
	top     *topRows
	match   func(*ledger.Alert) string // what the word is to an alert, "" nothing
	hosts   *distinct[string]
	sources *distinct[alert.SourceID]
}

func (q *query) add(rec *ledger.Alert) {
	q.out.count(rec)
	q.sources.add(rec.Handle.Source)
	// One machine has a name in all products, and an id in each.
	if h := cmp.Or(strings.ToLower(rec.Host.Name), rec.Host.ID); h != "" {
		q.hosts.add(h)
	}
	q.top.add(Row{Alert: recall(rec, rec.Name), Record: rec})
}

// all looks at every alert that is remembered.
func (q *query) all(ctx context.Context) error {
	for rec, err := range wanted(ctx, q.Service, alertKind(), func(rec *ledger.Alert) bool { return q.match(rec) != "" }) {
		if err != nil {
			return err
		}
		q.add(rec)
	}
	return nil
}

// byHash asks the index for every alert that names the file, by any of its hashes.
func (q *query) byHash(ctx context.Context, h alert.Hash) error {
	if q.Scanner == nil {
		q.match = namesAny([]alert.Hash{h})
		return nil
	}
	same := []alert.Hash{h}
	var keys []ledger.JobKey
	err := q.Store.View(ctx, func(tx ledger.Tx) (err error) {
		if q.out.Verdict, err = tx.Verdict(q.Scanner.Scope(), h); err != nil {
			return err
		}
		keys, err = q.jobKeys(tx, alert.NewHashes(string(h)))
		return err
	})
	for _, k := range keys {
		same = append(same, k.Hash)
	}
	q.match = namesAny(same)
	if v := q.out.Verdict; v == nil || v.Verdict.SHA256 == "" {
		return err
	}
	known := newDistinct[ledger.AlertKey]()
	asked := map[ledger.JobKey]bool{}
	for _, k := range keys {
		if err == nil && !asked[k] {
			asked[k] = true
			err = q.wanting(ctx, k, known)
		}
	}
	return err
}

// wanting adds the alerts that wanted one job, page by page.
func (q *query) wanting(ctx context.Context, k ledger.JobKey, known *distinct[ledger.AlertKey]) error {
	for after := (ledger.AlertKey{}); ; {
		var found []*ledger.Alert
		n := 0
		err := q.Store.View(ctx, func(tx ledger.Tx) error {
			keys, err := tx.Wanting(k, after, lookPage)
			if err != nil {
				return err
			}
			found, n = nil, len(keys)
			for _, k := range keys {
				rec, err := tx.AlertAt(k)
				if err != nil {
					return err
				}
				// A damaged index may name an alert twice, or one of another file.
				if after = k; rec != nil && !known.has(rec.Key()) && q.match(rec) != "" {
					known.add(rec.Key())
					found = append(found, rec)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, rec := range found {
			q.add(rec)
		}
		if n < lookPage {
			return nil
		}
	}
}

func namesAny(same []alert.Hash) func(*ledger.Alert) string {
	return func(rec *ledger.Alert) string {
		for _, f := range rec.Files {
			if slices.ContainsFunc(same, f.Has) {
				return MatchFile
			}
		}
		return ""
	}
}

// indexClosed lets the index of who wanted a file know an alert that nobody has to
// judge: it was closed before it was first seen, and is where the file was, too.
func (s *Service) indexClosed(tx ledger.Tx, rec *ledger.Alert) error {
	for _, f := range rec.Files {
		if s.Scanner == nil || f.Best() == "" {
			continue
		}
		if err := tx.Want(ledger.JobKey{Engine: s.Scanner.Scope(), Hash: f.Best()}, rec.Key()); err != nil {
			return err
		}
	}
	return tx.PutAlert(rec)
}

func (o *Sightings) count(rec *ledger.Alert) {
	o.Total++
	if o.First.IsZero() || rec.Created.Before(o.First) {
		o.First = rec.Created
	}
	if rec.Created.After(o.Last) {
		o.Last = rec.Created
	}
}

func wordIn(word string, rec *ledger.Alert) string {
	host := (alert.Query{Host: word}).Match(alert.Alert{Host: rec.Host})
	family := rec.Family != "" && matchWord(word, rec.Family)
	switch {
	case host && family:
		return MatchHost + ", " + MatchFamily
	case host:
		return MatchHost
	case family:
		return MatchFamily
	}
	return ""
}
