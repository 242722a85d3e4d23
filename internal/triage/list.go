package triage

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// ListOptions narrow a listing.
type ListOptions struct {
	Query    alert.Query
	Sources  []string
	Verdicts []alert.Class // keep only alerts whose remembered verdict is one of these
	Limit    int           // 0: all
	ByTime   bool          // newest first instead of worst first
	Offline  bool          // what the store remembers; no product is asked
	Repeats  bool          // also what repeats a finding that another source lists
}

// Row is one alert with what is remembered of it.
type Row struct {
	Alert   alert.Alert
	Record  *ledger.Alert // nil: sync has not seen it
	Verdict *alert.Verdict
	// Scan says in words why there is no verdict: "no file", "analysis running".
	Scan string
	// Also names alerts of other sources on the same file and host.
	Also []alert.Ref
	// Same names alerts of other sources that are the same finding: one repeats the other.
	Same []alert.Ref
}

// Listing is the result of List.
type Listing struct {
	Rows    []Row
	Total   int // that matched, before the limit
	Files   int // distinct, of all that matched
	Sources int
	Repeats int // left out, because another source lists what they repeat; not in Total
	Errors  []SourceError
	Bad     []SourceError // single alerts that could not be read
}

// List reads the alerts that match from all sources at once, worst first. One
// source that fails is reported and the others finish. What repeats a finding that
// another source lists is left out, and named there.
func (s *Service) List(ctx context.Context, o ListOptions) (*Listing, error) {
	picked, err := s.pickWithin(o.Sources, o.Query.Scopes)
	if err != nil {
		return nil, err
	}
	out := &Listing{Sources: len(picked)}
	top := &topRows{limit: o.Limit, less: worseRow}
	if o.ByTime {
		top.less = newerRow
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	files := map[alert.Hash]struct{}{}
	fold := newFolding(picked, o, func(r Row) {
		mu.Lock()
		defer mu.Unlock()
		out.Total++
		for _, f := range r.Alert.Files {
			if h := f.Best(); h != "" {
				files[h] = struct{}{}
			}
		}
		top.add(r)
	})
	for _, src := range picked {
		take, end := fold.of(ctx, src)
		wg.Go(func() {
			defer end()
			err := s.listOne(ctx, src, o, take, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				out.Bad = append(out.Bad, SourceError{src.Name(), err})
			})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				out.Errors = append(out.Errors, SourceError{src.Name(), fault.At(err, src.Name(), "")})
			}
		})
	}
	wg.Wait()
	before := len(out.Errors)
	out.Errors = elsewhere(out.Errors, len(picked))
	out.Sources -= before - len(out.Errors)
	out.Files = len(files)
	out.Repeats = fold.n
	out.Rows = top.sorted()
	linkRows(out.Rows)
	fold.link(out.Rows)
	return out, ctx.Err()
}

// Worst gives the rows that a listing shows, and how many there are.
func Worst(rows []Row, o ListOptions) ([]Row, int) {
	top := &topRows{limit: o.Limit, less: worseRow}
	if o.ByTime {
		top.less = newerRow
	}
	for _, r := range rows {
		top.add(r)
	}
	return top.sorted(), len(rows)
}

// listOne gives the matching rows of one source.
func (s *Service) listOne(ctx context.Context, src source.Source, o ListOptions, add func(Row), bad func(error)) error {
	sid, err := s.sourceID(ctx, src)
	if err != nil {
		return err
	}
	alerts := s.remembered(ctx, src, sid, o.Query)
	if !o.Offline {
		l, ok := src.(source.Lister)
		if !ok {
			return source.Unsupported(src, "list alerts")
		}
		alerts = l.List(ctx, o.Query)
	}
	for batch, err := range batches(alerts, bad) {
		if err != nil {
			return err
		}
		rows, err := s.annotate(ctx, sid, batch, o)
		if err != nil {
			return err
		}
		for _, r := range rows {
			add(r)
		}
	}
	return nil
}

// listBatch is how many alerts are annotated in one look into the store.
const listBatch = 200

// batches collects alerts; a BadItem is told to bad, any other error ends it.
func batches(seq iter.Seq2[alert.Alert, error], bad func(error)) iter.Seq2[[]alert.Alert, error] {
	return func(yield func([]alert.Alert, error) bool) {
		var batch []alert.Alert
		for a, err := range seq {
			if b, ok := errors.AsType[*source.BadItem](err); ok {
				bad(b)
				continue
			}
			if err != nil {
				if len(batch) > 0 && !yield(batch, nil) {
					return
				}
				yield(nil, err)
				return
			}
			if batch = append(batch, a); len(batch) == listBatch {
				if !yield(batch, nil) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// remembered lists a source's alerts from the store.
func (s *Service) remembered(ctx context.Context, src source.Source, sid alert.SourceID, q alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		var page []alert.Alert
		err := s.Store.View(ctx, func(tx ledger.Tx) error {
			for rec, err := range tx.Alerts(sid, q.Since, q.Until) {
				if err != nil {
					return err
				}
				page = append(page, recall(rec, src.Name()))
			}
			return nil
		})
		if err != nil {
			yield(alert.Alert{}, err)
			return
		}
		for _, a := range page {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// recall gives an alert as it is remembered; there is no raw object then.
func recall(rec *ledger.Alert, name string) alert.Alert {
	return alert.Alert{Handle: rec.Handle, Ref: alert.Ref{Source: name, ID: rec.ID}, Kind: rec.Kind, Title: rec.Title,
		Severity: rec.Severity, Status: rec.Status, Created: rec.Created, Updated: rec.Updated, Host: rec.Host,
		User: rec.User, Files: rec.Files, Attack: rec.Attack, URL: rec.URL, Resources: rec.Resources, Repeats: rec.Repeats, OtherID: rec.OtherID}
}

// linkRows finds alerts of other sources on the same file and host.
func linkRows(rows []Row) {
	type key struct {
		hash alert.Hash
		host string
	}
	groups := map[key][]int{}
	for i, r := range rows {
		for _, f := range r.Alert.Files {
			if h := f.Best(); h != "" && r.Alert.Host.Name != "" {
				k := key{h, r.Alert.Host.Name}
				groups[k] = append(groups[k], i)
			}
		}
	}
	for _, idx := range groups {
		for _, i := range idx {
			for _, j := range idx {
				if rows[i].Alert.Ref.Source != rows[j].Alert.Ref.Source && !slices.Contains(rows[i].Also, rows[j].Alert.Ref) {
					rows[i].Also = append(rows[i].Also, rows[j].Alert.Ref)
				}
			}
		}
	}
	for _, r := range rows {
		sortRefs(r.Also)
	}
}

// FileView is one file of an alert with what is known of it, for people.
type FileView struct {
	File    alert.File      `json:"file"`
	State   ledger.JobState `json:"state,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	NextTry time.Time       `json:"next_try,omitzero"`
	Verdict *alert.Verdict  `json:"verdict,omitempty"`
	From    ledger.Origin   `json:"from,omitempty"`
	By      string          `json:"by,omitempty"`
	Learned time.Time       `json:"learned,omitzero"`
	Fetch   *FetchView      `json:"fetch,omitempty"`
}

func fileViews(files []fileState) []FileView {
	out := make([]FileView, 0, len(files))
	for _, f := range files {
		v := FileView{File: f.File}
		if f.Job != nil {
			v.State, v.Reason, v.NextTry, v.From = f.Job.State, f.Job.Reason, f.Job.NextTry, f.Job.From
			v.Fetch = fetchView(f.Job.Fetch)
			if v.Reason == "" && !f.Job.Terminal() {
				v.Reason = waitReason(f.Job)
			}
		}
		if f.Verdict != nil {
			verdict := f.Verdict.Verdict
			v.Verdict, v.Learned, v.By = &verdict, f.Verdict.Learned, f.Verdict.By
		}
		out = append(out, v)
	}
	return out
}
