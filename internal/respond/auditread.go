package respond

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"edrc/internal/fault"
)

// maxAuditLine bounds a line that is read, in bytes.
const maxAuditLine = 4 << 20

// Entries gives the lines of the audit, oldest first. It checks nothing but that
// they can be read; a line that cannot is an error and the rest goes on.
func (a *Audit) Entries() iter.Seq2[AuditEntry, error] {
	return func(yield func(AuditEntry, error) bool) {
		for line, err := range a.lines() {
			var e AuditEntry
			if err == nil {
				if err = json.Unmarshal(line.text, &e); err != nil {
					err = fault.New(fault.Corrupt, "line %d of the audit cannot be read: %w", line.n, err)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

type auditLine struct {
	n    int
	text []byte
	torn bool // the last, without its end
}

func (a *Audit) lines() iter.Seq2[auditLine, error] {
	return func(yield func(auditLine, error) bool) {
		f, err := os.Open(a.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(auditLine{}, journalError("read", a.Path, err))
			return
		}
		defer func() { _ = f.Close() }()
		r := bufio.NewReaderSize(f, 64<<10)
		for n := 1; ; n++ {
			text, err := readLine(r)
			if len(text) > 0 && text[len(text)-1] == '\n' {
				if !yield(auditLine{n: n, text: text[:len(text)-1]}, nil) {
					return
				}
			} else if len(text) > 0 && !yield(auditLine{n: n, text: text, torn: true}, nil) {
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(auditLine{n: n}, journalError("read", a.Path, err))
				return
			}
		}
	}
}

// readLine reads up to and with the line end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		out = append(out, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
		if len(out) > maxAuditLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", maxAuditLine)
		}
	}
}

// Verify reads the whole audit and gives the number of lines that are good. The
// first line that was changed, removed, added or moved is fault.Corrupt, with its
// number. A line that a crash cut short at the end is none.
func (a *Audit) Verify(ctx context.Context) (good int, err error) {
	unlock, err := a.lock(ctx) // no batch is half-way then
	if err != nil {
		return 0, err
	}
	defer unlock()
	head, herr := a.readHead()
	last := auditHead{Hash: zeroHash}
	headSeen := head.Seq == 0
	for line, err := range a.lines() {
		if err != nil {
			return last.Seq, err
		}
		if line.torn {
			break
		}
		if last, err = a.next(last, line); err != nil {
			return last.Seq, err
		}
		if last.Seq == head.Seq {
			if last.Hash != head.Hash {
				return last.Seq - 1, corrupt("line %d is not the one that was written: its hash is not the one in %s", line.n, a.headPath())
			}
			headSeen = true
		}
	}
	switch {
	case herr != nil && last.Seq > 0:
		return last.Seq, corrupt("%s, which says where the audit ends, cannot be read: %v", a.headPath(), herr)
	case !headSeen:
		return last.Seq, corrupt("the audit ends at line %d, and %d were written: the last %d are missing", last.Seq, head.Seq, head.Seq-last.Seq)
	}
	return last.Seq, nil
}

// next checks one line against the one before it.
func (a *Audit) next(last auditHead, line auditLine) (auditHead, error) {
	body, hash, ok := splitEntry(line.text)
	if !ok {
		return last, corrupt("line %d is not a line of an audit", line.n)
	}
	if hashOf(body) != hash {
		return last, corrupt("line %d was changed: its hash does not fit", line.n)
	}
	var e AuditEntry
	if err := json.Unmarshal(line.text, &e); err != nil {
		return last, corrupt("line %d cannot be read: %v", line.n, err)
	}
	if e.Seq != last.Seq+1 || e.Prev != last.Hash {
		return last, corrupt("line %d has number %d and does not follow number %d: lines were removed, added or moved", line.n, e.Seq, last.Seq)
	}
	return auditHead{e.Seq, e.Hash}, nil
}

func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, format, args...).
		WithHint("compare with a copy, and with the journals of the actions: edrc actions list")
}
