package triage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// ImportOptions say how an import goes.
type ImportOptions struct {
	DryRun bool
	// Reject is told of each line that was not taken, and why; nil for nobody.
	Reject func(line int, reason string)
}

// Imported says what became of the lines of an import.
type Imported struct {
	Lines    int  `json:"lines"`
	New      int  `json:"new"`      // of files nothing was known of
	Newer    int  `json:"newer"`    // took the place of an older analysis
	Kept     int  `json:"kept"`     // what is here is as new, or newer
	Rejected int  `json:"rejected"` // could not be trusted to mean what they say
	DryRun   bool `json:"dry_run,omitempty"`
}

// importer is one ImportVerdicts.
type importer struct {
	*Service
	o      ImportOptions
	out    *Imported
	header exportHeader
	now    time.Time
	engine string // the name, as verdicts have it
	batch  []*ledger.VerdictRecord
}

// ImportVerdicts takes in what a colleague exported. Of two analyses of a file the
// newer one wins. A line that is not exactly what an export holds is rejected and
// the rest goes on; a file that is no export is refused whole. What is taken is
// marked as imported, and is believed no longer than it would be where it came from.
// Files that waited for a verdict are judged by it with the next sync.
func (s *Service) ImportVerdicts(ctx context.Context, r io.Reader, o ImportOptions) (*Imported, error) {
	if s.Scanner == nil {
		return nil, noEngine()
	}
	im := &importer{Service: s, o: o, out: &Imported{DryRun: o.DryRun}, now: s.Now(), engine: s.Scanner.Engine()}
	in := bufio.NewReaderSize(r, 64<<10)
	if err := im.readHeader(in); err != nil {
		return nil, err
	}
	for n := 2; ; n++ {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
			return im.out, fault.New(fault.Unavailable, "line %d cannot be read: %w", n, err)
		}
		if len(bytes.TrimSpace(line)) > 0 || errors.Is(err, errLong) {
			im.take(n, line, err)
		}
		last := errors.Is(err, io.EOF)
		if last || len(im.batch) == pruneBatch {
			if err := im.commit(ctx); err != nil {
				return im.out, err
			}
		}
		if last {
			return im.out, nil
		}
	}
}

var errLong = errors.New("the line is longer than 1 MiB")

// readLine gives a line without its end; a longer one than maxLine is skipped whole.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for long := false; ; {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLong // the end of the file comes with the next call
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
}

func (im *importer) readHeader(in *bufio.Reader) error {
	hint := "make one with: edrc cache export FILE"
	line, err := readLine(in)
	if err != nil && !errors.Is(err, io.EOF) {
		return fault.Usagef("this is no export of verdicts: %v", err).WithHint("%s", hint)
	}
	if err := json.Unmarshal(line, &im.header); err != nil || im.header.Schema == "" {
		return fault.Usagef("this is no export of verdicts: its first line is no header {\"schema\": %q, …}", VerdictsSchema).WithHint("%s", hint)
	}
	if im.header.Schema != VerdictsSchema {
		return fault.Usagef("this edrc reads %s, and the file is %q", VerdictsSchema, im.header.Schema).WithHint("it was made by another version of edrc")
	}
	if im.header.Exported.IsZero() || im.header.Exported.After(im.now.Add(maxSkew)) {
		return fault.Usagef("the header says that it was exported at %s, which cannot be", im.header.Exported.UTC().Format(time.RFC3339)).
			WithHint("is a clock wrong, here or where it was made?")
	}
	return nil
}

// take reads one line into the batch, or rejects it.
func (im *importer) take(n int, line []byte, err error) {
	im.out.Lines++
	var v *ledger.VerdictRecord
	if err == nil || errors.Is(err, io.EOF) {
		v, err = im.parse(line)
	}
	if err != nil {
		im.out.Rejected++
		if im.o.Reject != nil {
			im.o.Reject(n, err.Error())
		}
		return
	}
	im.batch = append(im.batch, v)
}

func (im *importer) parse(line []byte) (*ledger.VerdictRecord, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var l exportLine
	if err := dec.Decode(&l); err != nil {
		return nil, fmt.Errorf("it is no verdict: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return nil, errors.New("something stands behind the verdict")
	}
	if l.Engine != im.Scanner.Scope() || l.Verdict.Engine != im.engine {
		return nil, fmt.Errorf("it is of %q, and here %q is asked", l.Engine, im.Scanner.Scope())
	}
	if err := checkVerdict(&l.Verdict); err != nil {
		return nil, err
	}
	age := time.Duration(l.Age) * time.Second
	if l.Age < 0 || l.Age > int64(maxAge/time.Second) {
		return nil, fmt.Errorf("age_seconds: %d is no age", l.Age)
	}
	age += max(0, im.now.Sub(im.header.Exported))
	if at := l.Verdict.Analysed; !at.IsZero() {
		if at.After(im.now.Add(maxSkew)) || at.Before(im.now.Add(-maxAge)) {
			return nil, fmt.Errorf("analysed: %s cannot be", at.UTC().Format(time.RFC3339))
		}
		age = max(age, im.now.Sub(at))
	}
	l.Verdict.Weak = l.Verdict.SHA256 == ""
	return &ledger.VerdictRecord{Engine: l.Engine, Verdict: l.Verdict, Learned: im.now, AgeThen: age, By: ImportedBy}, nil
}

// commit files a batch; in a dry run it only looks what would become of it.
func (im *importer) commit(ctx context.Context) error {
	batch := im.batch
	im.batch = nil
	var sum Imported
	fn := func(tx ledger.Tx) error {
		sum = Imported{}
		for _, v := range batch {
			old, err := tx.Verdict(v.Engine, v.Verdict.Best())
			if err != nil {
				return err
			}
			switch {
			case old == nil:
				sum.New++
			case !analysed(v, im.now).After(analysed(old, im.now)), v.Verdict.Weak && !old.Verdict.Weak:
				sum.Kept++
				continue
			default:
				sum.Newer++
			}
			if im.o.DryRun {
				continue
			}
			if err := tx.PutVerdict(v); err != nil {
				return err
			}
			if err := im.tellJobs(tx, v, old); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	switch {
	case len(batch) == 0:
		return nil
	case im.o.DryRun:
		err = im.Store.View(ctx, fn)
	default:
		err = im.Store.Update(ctx, 2*len(batch), fn)
	}
	im.out.New, im.out.Newer, im.out.Kept = im.out.New+sum.New, im.out.Newer+sum.Newer, im.out.Kept+sum.Kept
	return err
}

// analysed gives when a file was analysed: by the engine's clock where it told.
func analysed(v *ledger.VerdictRecord, now time.Time) time.Time {
	if !v.Verdict.Analysed.IsZero() {
		return v.Verdict.Analysed
	}
	return now.Add(-v.Age(now))
}

// tellJobs lets the file's jobs know: one that waits is due at once, and finds the
// verdict before it asks anybody; the alerts of a settled one are told again when
// the class is another.
func (im *importer) tellJobs(tx ledger.Tx, v, old *ledger.VerdictRecord) error {
	keys, err := im.jobKeys(tx, v.Verdict.Hashes)
	if err != nil {
		return err
	}
	for _, k := range keys {
		j, err := tx.Job(k)
		if err != nil {
			return err
		}
		switch {
		case j == nil:
		case (j.State == ledger.JobWaiting || j.State == ledger.JobFetching) && !j.Claim.Held(im.now):
			j.NextTry = time.Time{}
			err = tx.PutJob(j)
		case j.Terminal() && (old == nil || old.Verdict.Class != v.Verdict.Class):
			err = tx.PutFanout(k, ledger.AlertKey{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
