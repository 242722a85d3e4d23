package store

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// Keys are tuples. A string element is escaped and ended, so that any bytes a
// vendor puts into an id keep their order and can never run into the next
// element: 0x00 becomes 0x00 0xFF, and 0x00 0x01 ends the element. The last
// element of a key may stand raw, since nothing follows it.
const (
	escZero = 0xFF
	escEnd  = 0x01
	timeLen = 12
)

var errKey = errors.New("a malformed key")

// key builds one key.
type key []byte

func (k key) str(s string) key {
	if k == nil {
		k = make(key, 0, len(s)+96) // most keys fit without growing
	}
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(append(k, s...), 0, escEnd)
		}
		k = append(append(k, s[:i]...), 0, escZero)
		s = s[i+1:]
	}
}

func (k key) raw(s string) key   { return append(k, s...) }
func (k key) byte(b byte) key    { return append(k, b) }
func (k key) bytes(b []byte) key { return append(k, b...) }

// time appends seconds and nanoseconds, the sign bit flipped, so that bytes order
// as times do: the zero time first, then what lies before 1970. Plain unix
// nanoseconds would overflow for the zero time.
func (k key) time(t time.Time) key {
	k = binary.BigEndian.AppendUint64(k, uint64(t.Unix())^(1<<63))
	return binary.BigEndian.AppendUint32(k, uint32(t.Nanosecond()))
}

// alert appends the elements of an alert key; the id stands raw at the end.
func (k key) alert(a ledger.AlertKey) key {
	return k.str(string(a.Source)).time(a.Created).raw(a.ID)
}

// after gives the smallest key that follows k itself.
func (k key) after() key { return append(k[:len(k):len(k)], 0) }

// past gives the smallest key that follows every key with the prefix k, nil when
// there is none.
func (k key) past() key {
	out := append(key(nil), k...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i] != 0xFF {
			out[i]++
			return out[:i+1]
		}
	}
	return nil
}

// cutStr reads a string element off the front of k.
func cutStr(k []byte) (s string, rest []byte, err error) {
	var out []byte
	for i := 0; i+1 < len(k); i++ {
		if k[i] != 0 {
			out = append(out, k[i])
			continue
		}
		switch k[i+1] {
		case escEnd:
			return string(out), k[i+2:], nil
		case escZero:
			out = append(out, 0)
			i++
		default:
			return "", nil, errKey
		}
	}
	return "", nil, errKey
}

// cutTime reads a time off the front of k.
func cutTime(k []byte) (t time.Time, rest []byte, err error) {
	if len(k) < timeLen {
		return t, nil, errKey
	}
	sec := int64(binary.BigEndian.Uint64(k) ^ (1 << 63))
	nano := int64(binary.BigEndian.Uint32(k[8:]))
	return time.Unix(sec, nano).UTC(), k[timeLen:], nil
}

// cutAlert reads the alert key that is the rest of k.
func cutAlert(k []byte) (a ledger.AlertKey, err error) {
	source, k, err := cutStr(k)
	if err != nil {
		return a, err
	}
	created, k, err := cutTime(k)
	if err != nil {
		return a, err
	}
	return ledger.AlertKey{Source: alert.SourceID(source), Created: created, ID: string(k)}, nil
}

// jobKey is an engine with a hash: of jobs, verdicts, aliases and fan-outs.
func jobKey(engine string, h alert.Hash) key { return key(nil).str(engine).raw(string(h)) }

func cutJob(k []byte) (j ledger.JobKey, err error) {
	engine, k, err := cutStr(k)
	return ledger.JobKey{Engine: engine, Hash: alert.Hash(k)}, err
}

// prefix gives the prefix of all keys whose first element is s; none when s is
// empty, which asks for everything.
func prefix(s string) key {
	if s == "" {
		return nil
	}
	return key(nil).str(s)
}
