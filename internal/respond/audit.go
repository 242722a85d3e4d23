package respond

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"edrc/internal/fault"
)

// AuditSchema names a line of the audit.
const AuditSchema = "edrc.audit/v1"

// AuditEvent says what a line of the audit tells.
type AuditEvent string

// The events.
const (
	AuditBegun    AuditEvent = "begun"    // an action, before anything was changed
	AuditEnded    AuditEvent = "ended"    // with a status
	AuditRefused  AuditEvent = "refused"  // by a belt or a guard
	AuditDeclined AuditEvent = "declined" // by the person who was asked
	AuditRepaired AuditEvent = "repaired" // a line that a crash cut short was taken off
)

// AuditEntry is one line of the audit: schema edrc.audit/v1. Every line holds the
// hash of the one before it, and ends in its own.
type AuditEntry struct {
	Schema string     `json:"schema"`
	Seq    int        `json:"seq"` // from 1, without a gap
	Time   time.Time  `json:"time"`
	Actor  Actor      `json:"actor"`
	Event  AuditEvent `json:"event"`
	Action string     `json:"action,omitempty"`
	Verb   Verb       `json:"verb,omitempty"`
	Target string     `json:"target,omitempty"` // its key
	Name   string     `json:"name,omitempty"`   // and what people call it
	Of     string     `json:"of,omitempty"`     // the action that is undone
	Alert  string     `json:"alert,omitempty"`  // the ref that named the target
	Reason string     `json:"reason,omitempty"`
	Status Status     `json:"status,omitempty"`
	Detail string     `json:"detail,omitempty"`
	Steps  []string   `json:"steps,omitempty"` // titles
	Prev   string     `json:"prev"`            // hash of the line before; 64 zeros for the first
	Hash   string     `json:"hash"`            // SHA-256 of this line without its hash
}

// Audit is the list of what was done and what was refused, append-only and chained
// by hashes. Path.head beside it holds the number and hash of the last line, so that
// lines missing at the end are noticed, too. It proves carelessness and tampering by
// those who cannot write both files; it is no proof against one who can.
type Audit struct {
	Path string
	Now  func() time.Time
}

var zeroHash = string(bytes.Repeat([]byte{'0'}, 64))

// hashPrefix begins the end of every line; what stands before it is hashed.
const hashPrefix = `,"hash":"`

// encodeEntry gives the line without a line end, and its hash.
func encodeEntry(e AuditEntry) ([]byte, string, error) {
	e.Hash = ""
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, "", err
	}
	body := bytes.TrimSuffix(bytes.TrimSpace(buf.Bytes()), []byte(hashPrefix+`"}`))
	h := hashOf(body)
	return append(bytes.Clone(body), hashPrefix+h+`"}`...), h, nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// splitEntry gives what is hashed of a line, and the hash it claims.
func splitEntry(line []byte) (body []byte, hash string, ok bool) {
	i := bytes.LastIndex(line, []byte(hashPrefix))
	if i < 0 || len(line) != i+len(hashPrefix)+64+2 || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, "", false
	}
	return line[:i], string(line[i+len(hashPrefix) : len(line)-2]), true
}

type auditHead struct {
	Seq  int    `json:"seq"`
	Hash string `json:"hash"`
}

// Append adds entries as one batch, on disk when it returns: one write and one fsync
// under a lock that all processes share. Seq, Time, Prev and Hash are filled in. It
// does not look at old lines but the last: Verify does.
func (a *Audit) Append(ctx context.Context, entries ...AuditEntry) (err error) {
	unlock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := os.OpenFile(a.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return journalError("open", a.Path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	last, cut, err := lastEntry(f)
	if err != nil {
		return journalError("read", a.Path, err)
	}
	// A last line that is missing, or is another one, leaves a gap for Verify to find.
	if head, herr := a.readHead(); herr == nil && head.Seq >= last.Seq {
		last = head
	}
	if cut > 0 {
		entries = append([]AuditEntry{{Event: AuditRepaired, Actor: entries[0].Actor,
			Detail: fmt.Sprintf("%d bytes of a line that was never finished were taken off", cut)}}, entries...)
	}
	var buf bytes.Buffer
	for _, e := range entries {
		e.Schema, e.Seq, e.Prev, e.Time = AuditSchema, last.Seq+1, last.Hash, a.Now().UTC()
		line, h, err := encodeEntry(e)
		if err != nil {
			return err
		}
		buf.Write(append(line, '\n'))
		last = auditHead{e.Seq, h}
	}
	if err := appendAtEnd(f, buf.Bytes()); err != nil {
		return journalError("write", a.Path, err)
	}
	return a.writeHead(last)
}

func appendAtEnd(f *os.File, b []byte) error {
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// lastEntry gives number and hash of the last line, and takes off what stands after
// the last line end: a crash cut it short, nobody was told that it was written.
func lastEntry(f *os.File) (last auditHead, cut int64, err error) {
	last.Hash = zeroHash
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return last, 0, err
	}
	tail, begin, err := tailOf(f, size)
	if err != nil {
		return last, 0, err
	}
	if end := bytes.LastIndexByte(tail, '\n') + 1; end < len(tail) {
		cut = int64(len(tail) - end)
		if err := f.Truncate(begin + int64(end)); err != nil {
			return last, 0, err
		}
		tail = tail[:end]
	}
	lines := bytes.Split(bytes.TrimRight(tail, "\n"), []byte{'\n'})
	line := lines[len(lines)-1]
	if len(line) == 0 {
		return last, cut, nil
	}
	var e AuditEntry
	if err := json.Unmarshal(line, &e); err != nil {
		return last, 0, fault.New(fault.Corrupt, "the last line of the audit cannot be read").WithHint("edrc audit verify says more; set the file aside to begin a new one")
	}
	return auditHead{e.Seq, e.Hash}, cut, nil
}

// tailOf reads the end of the file from the beginning of a line, at least its last
// two lines.
func tailOf(f *os.File, size int64) (tail []byte, begin int64, err error) {
	for want := int64(64 << 10); ; want *= 4 {
		begin = max(size-want, 0)
		tail = make([]byte, size-begin)
		if _, err := f.ReadAt(tail, begin); err != nil {
			return nil, 0, err
		}
		if begin == 0 {
			return tail, 0, nil
		}
		if i := bytes.IndexByte(tail, '\n'); i >= 0 && bytes.Count(tail, []byte{'\n'}) >= 3 {
			return tail[i+1:], begin + int64(i) + 1, nil
		}
	}
}

func (a *Audit) headPath() string { return a.Path + ".head" }

// writeHead replaces the head. A crash before it leaves a head that is behind, which
// Verify knows.
func (a *Audit) writeHead(h auditHead) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(a.Path), ".audit-*")
	if err != nil {
		return journalError("write", a.headPath(), err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), a.headPath())
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return journalError("write", a.headPath(), err)
}

func (a *Audit) readHead() (h auditHead, err error) {
	b, err := os.ReadFile(a.headPath())
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(b, &h)
}

func (a *Audit) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(a.Path), 0o700); err != nil {
		return nil, journalError("make", filepath.Dir(a.Path), err)
	}
	l := flock.New(a.Path + ".lock")
	if _, err := l.TryLockContext(ctx, lockPoll/10); err != nil {
		return nil, journalError("lock", l.Path(), err)
	}
	return func() { _ = l.Close() }, nil
}
