package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/scan"
	"edrc/internal/source"
	"edrc/internal/term"
	"edrc/internal/triage"
)

const (
	filesAtOnce = 8
	// alertsTried is how many alerts of one source are asked for a file, one after the
	// other: their endpoints differ.
	alertsTried = 3
	// evidencePassword is what the field gives its archives: it keeps programs that scan
	// and people who click away from what is in them, and is no secret.
	evidencePassword = "infected"
)

// namedFile is one distinct file that alerts name.
type namedFile struct {
	alert.File
	alerts []alert.Alert // that name it, as far as the manifest tells of them
	from   []alert.Alert // that are asked for it, one after the other
}

// fileEvidence collects the files of alerts.
type fileEvidence struct {
	svc      *triage.Service
	fetching scan.Fetching
	to       *archives
	wait     time.Duration
	now      func() time.Time
	task     *term.Task

	sids  map[string]alert.SourceID // "" of a source that cannot give files
	files []*namedFile
	by    map[alert.Hash]*namedFile
	errs  []error
}

// watch lets alerts pass and remembers which files they name.
func (e *fileEvidence) watch(ctx context.Context, alerts iter.Seq2[alert.Alert, error]) iter.Seq2[alert.Alert, error] {
	e.by, e.sids = map[alert.Hash]*namedFile{}, map[string]alert.SourceID{}
	return func(yield func(alert.Alert, error) bool) {
		for al, err := range alerts {
			if err == nil {
				e.errs = append(e.errs, e.want(ctx, al)...)
			}
			if !yield(al, err) {
				return
			}
		}
	}
}

// want remembers the files of an alert.
func (e *fileEvidence) want(ctx context.Context, al alert.Alert) (errs []error) {
	if len(al.Files) == 0 {
		return nil
	}
	sid, err := e.fetcher(ctx, al.Ref.Source)
	if err != nil {
		return []error{err}
	}
	al.Handle.Source = sid
	for _, f := range al.Files {
		h := f.Best()
		if h == "" {
			errs = append(errs, &fault.Error{Kind: fault.NotFound, Source: al.Ref.Source, Op: whichFile(f, al.Ref, 1),
				Msg: "the alert gives no usable hash: what came could not be checked"})
			continue
		}
		n := e.by[h]
		if n == nil {
			n = &namedFile{File: f}
			e.by[h], e.files = n, append(e.files, n)
		}
		n.add(al, f, sid != "")
	}
	return errs
}

// add keeps of an alert what is needed later: its object may be large.
func (n *namedFile) add(al alert.Alert, f alert.File, gives bool) {
	al.Raw, al.Attack, al.Command, al.URL, al.Title, al.Files = nil, nil, "", "", "", []alert.File{f}
	of := 0
	for _, a := range n.from {
		if a.Ref.Source == al.Ref.Source {
			of++
		}
	}
	if gives && of < alertsTried {
		n.from = append(n.from, al)
	}
	n.alerts = append(n.alerts, alert.Alert{Ref: al.Ref, Kind: al.Kind, Created: al.Created, Updated: al.Updated, Files: al.Files})
}

// fetcher gives the memory's key of a source that can give files, "" of one that
// cannot; the error is told once.
func (e *fileEvidence) fetcher(ctx context.Context, name string) (alert.SourceID, error) {
	if sid, known := e.sids[name]; known {
		return sid, nil
	}
	src, err := e.svc.Source(name)
	if err != nil {
		return "", err
	}
	if _, ok := src.(source.Fetcher); !ok {
		e.sids[name] = ""
		return "", source.Cannot(src, "fetch files", alert.Alert{})
	}
	sid, err := triage.SourceID(ctx, src)
	e.sids[name] = sid
	return sid, err
}

// collected is what became of one file.
type collected struct {
	rows []fetchedJSON
	dup  bool // it is one that this run has fetched under another hash
	err  error
}

// fetch collects every file that was named, those with strong hashes first: they tell
// the weaker hashes of the same file.
func (e *fileEvidence) fetch(ctx context.Context, sum *tally) iter.Seq2[fetchedJSON, error] {
	return func(yield func(fetchedJSON, error) bool) {
		for _, err := range e.errs {
			if !yield(fetchedJSON{}, err) {
				return
			}
		}
		e.task.Total(len(e.files))
		strong := func(f *namedFile) bool { return f.SHA256 != "" }
		weak := func(f *namedFile) bool { return f.SHA256 == "" }
		for _, round := range []func(*namedFile) bool{strong, weak} {
			for c := range e.each(ctx, round) {
				if !sum.file(c, yield) {
					return
				}
			}
		}
		if ctx.Err() != nil {
			yield(fetchedJSON{}, ctx.Err())
		}
	}
}

// file counts one file and gives its rows.
func (t *tally) file(c collected, yield func(fetchedJSON, error) bool) bool {
	switch {
	case fault.Is(c.err, fault.Interrupted):
		return true
	case c.err != nil:
		t.filesFailed++
		return yield(fetchedJSON{}, c.err)
	case len(c.rows) == 0, c.dup:
	case c.rows[0].Kept:
		t.filesKept++
	default:
		t.files++
	}
	for _, r := range c.rows {
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// each collects the files of a round, some at once. Nothing outlives the loop over it.
func (e *fileEvidence) each(ctx context.Context, round func(*namedFile) bool) iter.Seq[collected] {
	return func(yield func(collected) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		out, slots := make(chan collected), make(chan struct{}, filesAtOnce)
		go func() {
			var wg sync.WaitGroup
			for _, f := range e.files {
				if !round(f) {
					continue
				}
				slots <- struct{}{}
				if ctx.Err() != nil {
					break
				}
				wg.Go(func() {
					var c collected
					c.rows, c.err = e.one(ctx, f)
					c.dup = len(c.rows) > 0 && c.rows[0].Kept && e.to.wrote(c.rows[0].File)
					<-slots
					e.task.Add(1)
					out <- c
				})
			}
			wg.Wait()
			close(out)
		}()
		for c := range out {
			if !yield(c) {
				cancel()
				for range out { // until all have ended
				}
				return
			}
		}
	}
}

// one collects one file: from the folder when it is there, else from the first of its
// alerts whose product gives it.
func (e *fileEvidence) one(ctx context.Context, f *namedFile) ([]fetchedJSON, error) {
	was, err := e.to.there(f.Best())
	if err != nil {
		return nil, f.failed(err)
	}
	if was != nil {
		return e.to.alsoNamed(*was, f.alerts)
	}
	var first error
	for _, al := range f.from {
		rows, err := e.from(ctx, f, al)
		if err == nil || fault.Is(err, fault.Interrupted) {
			return rows, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, f.failed(first)
}

// from collects a file by way of one alert.
func (e *fileEvidence) from(ctx context.Context, f *namedFile, al alert.Alert) ([]fetchedJSON, error) {
	src, err := e.svc.Source(al.Ref.Source)
	if err != nil {
		return nil, err
	}
	a, got, err := e.fetching.Collect(ctx, src, al.Handle, al.Files[0], scan.CollectOptions{Wait: e.wait, Password: evidencePassword, Now: e.now, Sleep: sleep,
		Tell: func(text string) { e.task.Note(fileLabel(f.File) + ": " + text) }})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return e.to.add(a, custodyContents{Name: got.Name, Hashes: got.Hashes, Size: got.Size, Password: a.Password(), From: al.Ref, Host: al.Host.Name}, f.alerts)
}

// failed says whose file it is that could not be had.
func (f *namedFile) failed(err error) error {
	if err == nil {
		return nil
	}
	ref := f.alerts[0].Ref
	e, ok := errors.AsType[*fault.Error](fault.At(err, ref.Source, ""))
	if !ok {
		return err
	}
	c := *e
	c.Op = whichFile(f.File, ref, len(f.alerts))
	return &c
}

func whichFile(f alert.File, ref alert.Ref, alerts int) string {
	text := fmt.Sprintf("%s of %s", fileLabel(f), ref)
	if alerts > 1 {
		text += fmt.Sprintf(" and %s", count(alerts-1, "more alert"))
	}
	return text
}

// fileLabel is what a file is called in a line of text.
func fileLabel(f alert.File) string {
	if f.Name != "" {
		return f.Name
	}
	if h := f.Best(); h != "" {
		return string(h)
	}
	return "the file"
}

// nothingElse reports failures that are all for want of a capability.
func nothingElse(errs []error) bool {
	return len(errs) > 0 && !slices.ContainsFunc(errs, func(err error) bool { return !fault.Is(err, fault.Unsupported) })
}
