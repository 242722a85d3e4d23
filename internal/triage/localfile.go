package triage

import (
	"context"
	"io"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// LocalFile is a file of this machine that somebody wants judged.
type LocalFile struct {
	Name string
	// Open gives its bytes from the start; with Once it can be called once only.
	Open func() (io.ReadCloser, error)
	Once bool
}

// ScanFiles judges files of this machine: by hash first, and only one that the engine
// does not hold is uploaded, within the upload policy. upload false: never. The
// result has one entry for each file, in order.
func (s *Service) ScanFiles(ctx context.Context, files []LocalFile, upload bool, o ScanOptions) ([]Judged, error) {
	if s.Scanner == nil {
		return nil, noEngine()
	}
	out := make([]Judged, len(files))
	held := make([]*scan.Local, len(files))
	defer func() {
		for _, l := range held {
			if l != nil {
				_ = l.Close()
			}
		}
	}()
	for i, f := range files {
		var err error
		if out[i].File, held[i], err = s.sum(ctx, f); err != nil { // what is held is closed with the rest
			return nil, err
		}
	}
	out, err := s.Scan(ctx, out, o)
	if err != nil || !upload || ctx.Err() != nil {
		return out, err
	}
	given := false
	for i := range out {
		ok, err := s.give(ctx, files[i], held[i], out[i])
		if err != nil {
			out[i].Err, out[i].Pending, out[i].Waits = err, "", false
		}
		given = given || ok
	}
	if !given {
		return out, nil
	}
	// All that have no verdict: two paths may be one file.
	var again []Judged
	var which []int
	for i := range out {
		if out[i].Verdict == nil && out[i].Err == nil {
			again, which = append(again, out[i]), append(which, i)
		}
	}
	o.Refresh = false // that was done
	again, err = s.Scan(ctx, again, o)
	for n, i := range which {
		if n < len(again) {
			out[i] = again[n]
		}
	}
	return out, err
}

func noEngine() error {
	return fault.Usagef("no scan engine is configured").WithHint("add `scan: {engine: intezer, api_key: …}` to the configuration")
}

// sum hashes a file. One that can be read only once is held on the spool meanwhile.
func (s *Service) sum(ctx context.Context, f LocalFile) (alert.File, *scan.Local, error) {
	r, err := f.Open()
	if err != nil {
		return alert.File{}, nil, err
	}
	defer r.Close()
	if !f.Once {
		file, err := scan.Sum(ctx, f.Name, r)
		return file, nil, orEmpty(f, file.Size, err)
	}
	l, err := s.Scanner.Hold(ctx, f.Name, r)
	if err != nil {
		return alert.File{}, nil, err
	}
	return alert.File{Hashes: l.Hashes, Name: l.Name, Size: l.Size}, l, orEmpty(f, l.Size, nil)
}

// orEmpty refuses a file without a byte in it: every engine would judge nothing.
func orEmpty(f LocalFile, size int64, err error) error {
	if err == nil && size == 0 {
		return fault.Usagef("%s is empty: there is nothing to judge", f.Name)
	}
	return err
}

// give hands a file over when its job waits for it, and reports whether it did.
func (s *Service) give(ctx context.Context, f LocalFile, held *scan.Local, j Judged) (bool, error) {
	if j.Verdict != nil || j.Err != nil || j.File.Best() == "" {
		return false, nil
	}
	key := ledger.JobKey{Engine: s.Scanner.Scope(), Hash: j.File.Best()}
	job, err := s.job(ctx, key)
	if err != nil || !scan.NeedsFile(job) {
		return false, err
	}
	if held == nil {
		r, err := f.Open()
		if err != nil {
			return false, err
		}
		defer r.Close()
		if held, err = s.Scanner.Hold(ctx, f.Name, r); err != nil {
			return false, err
		}
		defer held.Close()
	}
	return true, s.Scanner.Offer(ctx, key, held)
}
