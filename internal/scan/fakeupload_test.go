package scan

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
)

var _ Uploader = (*engine)(nil)

// MaxUpload is 1 MiB unless the test said otherwise.
func (e *engine) MaxUpload() int64 {
	if e.maxUpload > 0 {
		return e.maxUpload
	}
	return 1 << 20
}

// SubmitFile reads the whole upload and opens it with the password, as an engine
// does: it analyses the bytes that came, not those that were meant.
func (e *engine) SubmitFile(ctx context.Context, u Upload) (Submission, error) {
	hs, err := e.unpack(ctx, u)
	if refused := e.call("upload", hs.SHA256); refused != nil {
		return Submission{}, refused
	}
	if e.uploading != nil {
		if err := e.uploading(ctx); err != nil {
			return Submission{}, err
		}
	}
	if err != nil {
		return Submission{}, fault.New(fault.Invalid, "the archive cannot be opened: %v", err)
	}
	e.mu.Lock()
	f, after := e.byHash[hs.SHA256], e.afterUpload
	if f == nil {
		f = &specimen{hs: hs, class: alert.Unknown}
		for _, h := range hs.All() {
			e.byHash[h] = f
		}
	}
	e.ripen(f)
	var out Submission
	switch {
	case f.uploaded != "":
		out = Submission{Outcome: f.uploaded, Reason: "so it is"}
	case f.id != "":
		out = Submission{Outcome: AlreadyRunning, ID: f.id}
	default:
		e.n++
		f.id, f.polls, f.began, f.unheld = fmt.Sprintf("analysis-%d", e.n), 0, e.clock.now(), f.lags
		e.byID[f.id] = f
		f.scans++
		e.submits = append(e.submits, hs.SHA256)
		out = Submission{Outcome: Accepted, ID: f.id}
	}
	e.mu.Unlock()
	if after != nil {
		if err := after(); err != nil {
			return Submission{}, err
		}
	}
	return out, nil
}

// unpack gives the hashes of the one file of an upload.
func (e *engine) unpack(ctx context.Context, u Upload) (alert.Hashes, error) {
	r, err := u.Open()
	if err != nil {
		return alert.Hashes{}, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != u.Size {
		return alert.Hashes{}, fmt.Errorf("%d bytes came instead of %d: %w", len(b), u.Size, err)
	}
	e.mu.Lock()
	e.uploads = append(e.uploads, upload{u.Name, u.Password, b})
	e.mu.Unlock()
	if bytes.Contains(b, []byte("file ")) {
		return alert.Hashes{}, fmt.Errorf("it came in clear")
	}
	a, err := e.spool.Take(ctx, bytes.NewReader(b), u.Password)
	if err != nil {
		return alert.Hashes{}, err
	}
	defer a.Close()
	c, err := sample.Inspect(ctx, a, sample.Limits{}, alert.Hashes{})
	if err == nil && c.Manifest {
		err = fmt.Errorf("it has more than one file")
	}
	return c.Hashes, err
}

// upload is what once came.
type upload struct {
	name, password string
	raw            []byte
}

// entry is one file of an archive of the test's own.
type entry struct {
	name string
	data []byte
}

// archiveOf writes a zip as an agent does: stored entries under PKWARE's old cipher,
// or in clear without a password. It shares no code with package sample.
func archiveOf(password string, entries ...entry) []byte {
	return archiveUnder(password, nil, entries...)
}

// archiveUnder is archiveOf; accept, if there is one, must like an entry's twelve
// bytes of header, or they are drawn again.
func archiveUnder(password string, accept func(head []byte, check byte) bool, entries ...entry) []byte {
	var out, dir []byte
	le16, le32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	for _, e := range entries {
		crc, flags, data := crc32.ChecksumIEEE(e.data), uint16(0), e.data
		if password != "" {
			flags = 1
			for {
				var head [12]byte
				_, _ = rand.Read(head[:])
				head[11] = byte(crc >> 24)
				data = pkware(password, append(head[:], e.data...), true)
				if accept == nil || accept(data[:12], head[11]) {
					break
				}
			}
		}
		common := le16(nil, flags)
		common = le16(common, 0)    // stored
		common = le32(common, 0x21) // time and date
		common = le32(common, crc)
		common = le32(common, uint32(len(data)))
		common = le32(common, uint32(len(e.data)))
		common = le16(common, uint16(len(e.name)))
		at := uint32(len(out))
		out = append(le16(le32(out, 0x04034b50), 20), common...)
		out = append(append(le16(out, 0), e.name...), data...)
		dir = append(le16(le16(le32(dir, 0x02014b50), 20), 20), common...)
		dir = append(dir, make([]byte, 12)...) // no extra field, comment, disk, attributes
		dir = append(le32(dir, at), e.name...)
	}
	end := le32(nil, 0x06054b50)
	end = append(end, 0, 0, 0, 0)
	end = le16(le16(end, uint16(len(entries))), uint16(len(entries)))
	end = le16(le32(le32(end, uint32(len(dir))), uint32(len(out))), 0)
	return append(append(out, dir...), end...)
}

// pkware is the cipher of the appnote, both ways.
func pkware(password string, data []byte, encrypt bool) []byte {
	k := [3]uint32{0x12345678, 0x23456789, 0x34567890}
	step := func(b byte) {
		k[0] = crc32.IEEETable[byte(k[0])^b] ^ k[0]>>8
		k[1] = (k[1]+k[0]&0xff)*134775813 + 1
		k[2] = crc32.IEEETable[byte(k[2])^byte(k[1]>>24)] ^ k[2]>>8
	}
	for _, b := range []byte(password) {
		step(b)
	}
	out := bytes.Clone(data)
	for i, b := range out {
		t := uint16(k[2]) | 2
		c := b ^ byte(t*(t^1)>>8)
		out[i] = c
		if encrypt {
			step(b)
		} else {
			step(c)
		}
	}
	return out
}
