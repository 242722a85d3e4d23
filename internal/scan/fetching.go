package scan

import (
	"context"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// Fetching is how a Scanner gets the bytes of files that the engine does not hold.
type Fetching struct {
	// Source finds the product behind an alert; nil when it is not configured any more.
	Source func(context.Context, alert.SourceID) (source.Source, error)
	// Spool gives where archives wait. Without create, and when there is none yet, nil.
	Spool func(create bool) (*sample.Spool, error)
	// Secret gives what archive passwords are derived from.
	Secret func() ([]byte, error)
	// Policy decides what may be uploaded.
	Policy UploadPolicy
	// Endpoint allows ways that run something on the endpoint.
	Endpoint bool
	// Poll is the wait between two looks at a fetch; 0 is the product's own.
	Poll time.Duration
	// Retry is the first wait for an endpoint that is offline; it doubles, up to 64 times.
	Retry time.Duration
	// GiveUp is how long a file is asked for.
	GiveUp time.Duration
}

// localSource stands for the product of files that a person handed over.
const localSource alert.SourceID = "file"

const (
	defaultPoll  = 15 * time.Second
	defaultRetry = 5 * time.Minute
	maxBackOff   = 6      // doublings of Retry
	maxBad       = 3      // archives of one alert that could not be used
	wantingPage  = 250    // alerts read at a time while looking for one that can give the file
	wantingMax   = 50_000 // alerts looked at
	newestOf     = 3      // alerts of one source that are tried
)

// Fetch lets the Scanner get and upload files. Without it, a file that the engine
// does not hold waits for somebody else to upload it. It must be called before the
// Scanner is used.
func (s *Scanner) Fetch(f Fetching) {
	if f.Retry <= 0 {
		f.Retry = defaultRetry
	}
	if f.GiveUp <= 0 {
		f.GiveUp = 14 * 24 * time.Hour
	}
	s.fetching = &f
}

// takesFiles reports whether files can be had and sent at all.
func (s *Scanner) takesFiles() bool {
	_, ok := s.engine.(Uploader)
	return ok && s.fetching != nil
}

// keptKey names a job's archive on the spool.
func keptKey(k ledger.JobKey) string { return k.Engine + "/" + string(k.Hash) }

// password derives the password of the archive that a job's fetch is about.
func (s *Scanner) password(f *ledger.Fetch) (string, error) {
	secret, err := s.fetching.Secret()
	if err != nil {
		return "", err
	}
	return sample.Password(secret, string(f.Handle.Source), f.Handle.ID, f.Attempt), nil
}

// candidate is an alert whose product may have the file.
type candidate struct {
	handle alert.Handle
	file   alert.File
	source source.Source
}

// is reports whether it is the alert of h.
func (c candidate) is(h alert.Handle) bool { return c.handle.Source == h.Source && c.handle.ID == h.ID }

// about is what is known of the file before it is here.
func (c candidate) about() *ledger.Fetch {
	return &ledger.Fetch{From: c.source.Name(), Name: c.file.Name, Size: c.file.Size, Type: string(sample.TypeOfName(c.file.Name))}
}

// candidates gives the alerts that may be asked for a file, and all that name it.
func (s *Scanner) candidates(ctx context.Context, job *ledger.Job) (usable, all []candidate, err error) {
	err = s.store.View(ctx, func(tx ledger.Tx) (err error) {
		all, err = naming(tx, job)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		if c.source, err = s.fetching.Source(ctx, c.handle.Source); err != nil {
			return nil, nil, err
		}
		if _, ok := c.source.(source.Fetcher); ok {
			usable = append(usable, c)
		}
	}
	return usable, all, nil
}

// naming gives the alerts that name a file and may be of use: first those that
// somebody asked about, then of each source the newest that want it.
func naming(tx ledger.Tx, job *ledger.Job) ([]candidate, error) {
	var out []candidate
	add := func(h alert.Handle, rec *ledger.Alert) {
		if !job.Fetch.Useless(h) && !among(out, h) {
			out = append(out, candidateOf(job, h, rec))
		}
	}
	if job.Fetch != nil {
		for _, h := range job.Fetch.Asked {
			rec, err := tx.Alert(h.Source, h.ID)
			if err != nil {
				return nil, err
			}
			add(h, rec)
		}
	}
	recs, err := newestWanting(tx, job.Key)
	for _, rec := range recs {
		add(rec.Handle, rec)
	}
	return out, err
}

// among reports whether one of the candidates is the alert of h.
func among(list []candidate, h alert.Handle) bool {
	return slices.ContainsFunc(list, func(c candidate) bool { return c.is(h) })
}

// candidateOf finds the file as the alert names it, where sync knows the alert.
func candidateOf(job *ledger.Job, h alert.Handle, rec *ledger.Alert) candidate {
	c := candidate{handle: h, file: alert.File{Hashes: job.Claimed, Name: job.Name}}
	if rec == nil {
		return c
	}
	for _, f := range rec.Files {
		if f.Has(job.Key.Hash) || job.Claimed.Has(f.Best()) {
			c.file = f
			return c
		}
	}
	return c
}

// newestWanting gives of each source the newest alerts that want a job, newest
// first: what is young is more likely to be there still.
func newestWanting(tx ledger.Tx, k ledger.JobKey) ([]*ledger.Alert, error) {
	newest := map[alert.SourceID][]ledger.AlertKey{}
	var order []alert.SourceID
	var after ledger.AlertKey
	for seen := 0; seen < wantingMax; {
		keys, err := tx.Wanting(k, after, wantingPage)
		if err != nil {
			return nil, err
		}
		for _, a := range keys {
			of := newest[a.Source]
			if of == nil {
				order = append(order, a.Source)
			}
			of = append([]ledger.AlertKey{a}, of...)
			newest[a.Source] = of[:min(len(of), newestOf)]
		}
		seen += len(keys)
		if len(keys) < wantingPage {
			break
		}
		after = keys[len(keys)-1]
	}
	var out []*ledger.Alert
	for _, sid := range order {
		for _, k := range newest[sid] {
			rec, err := tx.AlertAt(k)
			if err != nil {
				return nil, err
			}
			if rec != nil {
				out = append(out, rec)
			}
		}
	}
	return out, nil
}
