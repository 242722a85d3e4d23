package triage

import (
	"context"
	"errors"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// ScanOptions say how far to go for a verdict.
type ScanOptions struct {
	Refresh bool          // believe nothing that is remembered
	MaxAge  time.Duration // 0: the life of the class
	Wait    time.Duration // how long to wait for a running analysis; 0: not at all
	By      string        // who asks, for the record
	// Watch is told where a file stands, nil for nobody; it is called from several
	// goroutines. done: nothing more will happen to it now.
	Watch func(f alert.File, text string, done bool)
}

func (o ScanOptions) watch(f alert.File, text string, done bool) {
	if o.Watch != nil {
		o.Watch(f, text, done)
	}
}

// Judged is what is known of one file after Scan.
type Judged struct {
	File    alert.File
	Ref     alert.Ref    // the alert that names it; zero for a bare hash
	Alert   alert.Handle // the same, for asking its product for the file
	Verdict *alert.Verdict
	From    ledger.Origin
	Learned time.Time // our clock
	Age     time.Duration
	Cost    int    // scans spent on it now
	Pending string // why there is no verdict yet, in words
	Waits   bool   // the next sync carries it on
	Err     error
}

// Scan judges files, each once, worst-known first asked last: what is remembered
// costs nothing. The result has one entry for each file, in order.
func (s *Service) Scan(ctx context.Context, files []Judged, o ScanOptions) ([]Judged, error) {
	if s.Scanner == nil {
		return nil, noEngine()
	}
	keys, err := s.wish(ctx, files, o)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, s.Settings.withDefaults().Workers)
	owner := map[ledger.JobKey]bool{}
	for i := range files {
		if keys[i].Hash == "" {
			files[i].Pending = SkipNoHash
			continue
		}
		if owner[keys[i]] {
			continue // the same file again: filled from the first below
		}
		owner[keys[i]] = true
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var cost int
			cost, files[i].Err = s.drive(ctx, keys[i], o.Wait, func(text string) { o.watch(files[i].File, text, false) })
			files[i].Cost += cost
			o.watch(files[i].File, "", true)
		})
	}
	wg.Wait()
	return files, s.collect(context.WithoutCancel(ctx), files, keys)
}

// wish asks for every file, in transactions of a bounded size.
func (s *Service) wish(ctx context.Context, files []Judged, o ScanOptions) ([]ledger.JobKey, error) {
	keys := make([]ledger.JobKey, len(files))
	for from := 0; from < len(files); from += chunk {
		part := files[from:min(from+chunk, len(files))]
		err := s.Store.Update(ctx, len(part), func(tx ledger.Tx) error {
			for i, f := range part {
				// Somebody is waiting in front of a screen: before anything cron wants.
				job, _, err := s.Scanner.Want(tx, scan.Wish{File: f.File, Severity: alert.Critical, MaxAge: o.MaxAge, Refresh: o.Refresh, Alert: f.Alert})
				if err != nil {
					return err
				}
				if job != nil {
					keys[from+i] = job.Key
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// drive steps one job until it is settled or the wait is over, and gives how many
// scans that cost. Another process may be driving the same job: then this one
// only watches.
func (s *Service) drive(ctx context.Context, key ledger.JobKey, wait time.Duration, tell func(string)) (int, error) {
	deadline := s.Now().Add(wait)
	cost := 0
	for {
		job, err := s.Scanner.ClaimOne(ctx, key)
		if err != nil {
			return cost, err
		}
		if job != nil {
			paid := job.Paid && job.State == ledger.JobAnalysing
			err = s.Scanner.Step(ctx, job)
			if job.Paid && !paid {
				cost = 1
			}
			if err != nil {
				return cost, unwrapTrouble(err)
			}
		} else if job, err = s.job(ctx, key); err != nil {
			return cost, err
		}
		if job == nil || job.Terminal() || s.parked(job) {
			return cost, nil
		}
		tell(waitReason(job))
		next := job.Due()
		if next.After(deadline) || wait == 0 && job.State == ledger.JobAnalysing {
			return cost, nil
		}
		// Another holder may finish earlier than its claim says: look every now and then.
		if d := min(max(next.Sub(s.Now()), time.Millisecond), time.Second); s.Sleep(ctx, d) != nil {
			return cost, ctx.Err()
		}
	}
}

func unwrapTrouble(err error) error {
	if t, ok := errors.AsType[*scan.Trouble](err); ok {
		return t.Err
	}
	return err
}

// parked reports a job that no amount of waiting here helps: its endpoint is offline,
// nobody has its file, or the quota is used up.
func (s *Service) parked(j *ledger.Job) bool {
	return (j.State == ledger.JobWaiting || j.State == ledger.JobFetching) && j.NextTry.Sub(s.Now()) > 30*time.Second
}

func (s *Service) job(ctx context.Context, key ledger.JobKey) (*ledger.Job, error) {
	var j *ledger.Job
	err := s.Store.View(ctx, func(tx ledger.Tx) (err error) {
		j, err = tx.Job(key)
		return err
	})
	return j, err
}

// collect fills in what is known now.
func (s *Service) collect(ctx context.Context, files []Judged, keys []ledger.JobKey) error {
	return s.Store.View(ctx, func(tx ledger.Tx) error {
		for i := range files {
			f := &files[i]
			if keys[i].Hash == "" {
				continue
			}
			j, err := tx.Job(keys[i])
			if err != nil {
				return err
			}
			if j == nil {
				continue
			}
			if j.State != ledger.JobJudged {
				f.Pending, f.Waits = waitReason(j), !j.Terminal()
				continue
			}
			v, err := tx.Verdict(keys[i].Engine, keys[i].Hash)
			if err != nil {
				return err
			}
			if v == nil {
				continue
			}
			verdict := v.Verdict
			f.Pending, f.Waits = "", false
			f.Verdict, f.Learned, f.Age, f.From = &verdict, v.Learned, v.Age(s.Now()), ledger.Remembered
			if f.Cost > 0 {
				f.From = ledger.Scanned
			} else if s.Now().Sub(j.Changed) < time.Minute && j.From == ledger.LookedUp {
				f.From = ledger.LookedUp
			}
		}
		return nil
	})
}

// IncidentAlerts gives the alerts of an incident; where the product has no grouping
// of its own, an alert is its own incident.
func (s *Service) IncidentAlerts(ctx context.Context, ref alert.Ref) ([]alert.Ref, error) {
	if !ref.Incident {
		return []alert.Ref{ref}, nil
	}
	in, own, err := s.Incident(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !own {
		ref.Incident = false
		return []alert.Ref{ref}, nil
	}
	out := make([]alert.Ref, 0, len(in.Alerts))
	for _, h := range in.Alerts {
		out = append(out, alert.Ref{Source: ref.Source, ID: h.ID})
	}
	return out, nil
}

// AlertFiles reads alerts and gives the files they name, ready for Scan.
func (s *Service) AlertFiles(ctx context.Context, refs []alert.Ref) ([]Judged, []SourceError) {
	var out []Judged
	var errs []SourceError
	for _, ref := range refs {
		d, err := s.Get(ctx, ref, false)
		if err != nil {
			errs = append(errs, SourceError{ref.Source, fault.At(err, ref.Source, "read "+ref.String())})
			continue
		}
		for _, f := range d.Files {
			out = append(out, Judged{File: f.File, Ref: ref, Alert: d.Alert.Handle})
		}
		if len(d.Files) == 0 {
			out = append(out, Judged{Ref: ref, Pending: SkipNoFile})
		}
	}
	return out, errs
}
