package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// This file reads bbolt's file format without bbolt, for files that bbolt trips
// over: every offset is checked, no page is visited twice, nothing is mapped. The
// format is version 2 and has not changed since 2014; see bbolt's internal/common.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10
	headerLen    = 16
	elementLen   = 16
	bucketFlag   = 0x01
	bucketLen    = 16
	metaLen      = 64
	noFreelist   = ^uint64(0)
)

var native = binary.NativeEndian

// boltMeta is a valid meta page.
type boltMeta struct {
	pageSize             uint32
	root, freelist, high uint64
	txid                 uint64
}

// pages reads one file's tree. Problems are counted, and stepped over.
type pages struct {
	r    io.ReaderAt
	meta boltMeta
	seen map[uint64]bool
	// problems counts pages and elements that could not be read; io is set when the
	// disk failed, which says nothing about the file.
	problems int
	first    error
	io       error
}

func (p *pages) problem(format string, args ...any) {
	if p.problems++; p.first == nil {
		p.first = fmt.Errorf(format, args...)
	}
}

// metas gives the valid meta pages, the newest first. The older one's tree is
// whole too: what a commit frees is reused by the next one only.
func metas(r io.ReaderAt) ([]boltMeta, error) {
	var out []boltMeta
	for _, at := range metaOffsets(r) {
		buf := make([]byte, headerLen+metaLen)
		if _, err := r.ReadAt(buf, at); err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			continue
		}
		if m, ok := parseMeta(buf[headerLen:]); ok {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b boltMeta) int {
		if a.txid > b.txid {
			return -1
		}
		return 1
	})
	return out, nil
}

// metaOffsets are where the two meta pages may start: the second one's place is
// the page size, which only the first one tells.
func metaOffsets(r io.ReaderAt) []int64 {
	buf := make([]byte, headerLen+metaLen)
	if _, err := r.ReadAt(buf, 0); err == nil {
		if m, ok := parseMeta(buf[headerLen:]); ok {
			return []int64{0, int64(m.pageSize)}
		}
	}
	var out []int64
	for size := int64(1024); size <= 64<<10; size *= 2 {
		out = append(out, size)
	}
	return out
}

func parseMeta(b []byte) (m boltMeta, ok bool) {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	if native.Uint32(b) != boltMagic || native.Uint32(b[4:]) != boltVersion || native.Uint64(b[56:]) != sum.Sum64() {
		return m, false
	}
	m = boltMeta{
		pageSize: native.Uint32(b[8:]), root: native.Uint64(b[16:]), freelist: native.Uint64(b[32:]),
		high: native.Uint64(b[40:]), txid: native.Uint64(b[48:]),
	}
	size := m.pageSize
	return m, size >= 1024 && size <= 64<<10 && size&(size-1) == 0
}

// page reads one page with its overflow, nil when it cannot be a page of the tree.
func (p *pages) page(id uint64) []byte {
	if id < 2 || id >= p.meta.high || p.seen[id] {
		p.problem("page %d is out of place", id)
		return nil
	}
	size := int64(p.meta.pageSize)
	head := p.read(int64(id)*size, headerLen)
	if head == nil {
		return nil
	}
	over := uint64(native.Uint32(head[12:]))
	if native.Uint64(head) != id || id+over >= p.meta.high {
		p.problem("page %d is not what stands there", id)
		return nil
	}
	for i := id; i <= id+over; i++ {
		if p.seen[i] {
			p.problem("page %d is used twice", i)
			return nil
		}
		p.seen[i] = true
	}
	return p.read(int64(id)*size, size*int64(over+1))
}

// readMax bounds one read: a record is far smaller, a corrupt overflow is not.
const readMax = 64 << 20

func (p *pages) read(at, n int64) []byte {
	if n > readMax {
		p.problem("a page of %d bytes", n)
		return nil
	}
	buf := make([]byte, n)
	if _, err := p.r.ReadAt(buf, at); err != nil {
		if !errors.Is(err, io.EOF) && p.io == nil {
			p.io = err
		}
		p.problem("the file ends before byte %d", at+n)
		return nil
	}
	return buf
}

// walk visits the entries of the tree under a page. Bucket entries have nested set.
func (p *pages) walk(id uint64, visit func(k, v []byte, nested bool)) {
	if buf := p.page(id); buf != nil {
		p.entries(id, buf, visit)
	}
}

func (p *pages) entries(id uint64, buf []byte, visit func(k, v []byte, nested bool)) {
	flags, n := native.Uint16(buf[8:]), int(native.Uint16(buf[10:]))
	if flags != pageLeaf && flags != pageBranch || headerLen+n*elementLen > len(buf) {
		p.problem("page %d is neither leaf nor branch", id)
		return
	}
	var last []byte
	for i := range n {
		at := headerLen + i*elementLen
		e := buf[at : at+elementLen]
		if flags == pageBranch {
			pos, size := uint64(at)+uint64(native.Uint32(e)), uint64(native.Uint32(e[4:]))
			if pos+size > uint64(len(buf)) || i > 0 && bytes.Compare(last, buf[pos:pos+size]) >= 0 {
				p.problem("page %d, branch %d is out of order", id, i)
			} else {
				last = buf[pos : pos+size]
			}
			p.walk(native.Uint64(e[8:]), visit)
			continue
		}
		pos := uint64(at) + uint64(native.Uint32(e[4:]))
		ks, vs := uint64(native.Uint32(e[8:])), uint64(native.Uint32(e[12:]))
		if pos+ks+vs > uint64(len(buf)) || ks == 0 {
			p.problem("page %d, entry %d is out of bounds", id, i)
			continue
		}
		visit(buf[pos:pos+ks], buf[pos+ks:pos+ks+vs], native.Uint32(e)&bucketFlag != 0)
	}
}

// bucket visits the entries of a bucket, given its value in the parent: the root
// page, or zero and the page itself behind it.
func (p *pages) bucket(value []byte, visit func(k, v []byte)) {
	var last []byte
	flat := func(k, v []byte, nested bool) {
		if nested {
			p.problem("a bucket where a record should be")
			return
		}
		if bytes.Compare(last, k) >= 0 {
			p.problem("keys are out of order")
		}
		last = k
		visit(k, v)
	}
	switch {
	case len(value) < bucketLen:
		p.problem("a bucket without a root")
	case native.Uint64(value) != 0:
		p.walk(native.Uint64(value), flat)
	case len(value) < bucketLen+headerLen:
		p.problem("an inline bucket without a page")
	default:
		p.entries(0, value[bucketLen:], flat)
	}
}

// freelist checks that no page is both free and in use. All buckets must have
// been walked before.
func (p *pages) freelist() {
	if p.meta.freelist == noFreelist {
		return
	}
	buf := p.page(p.meta.freelist)
	if buf == nil {
		return
	}
	ids, n := buf[headerLen:], uint64(native.Uint16(buf[10:]))
	if n == 0xFFFF && len(ids) >= 8 { // too many for the header: the first one is the count
		n, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(buf[8:]) != pageFreelist || n > uint64(len(ids))/8 {
		p.problem("the list of free pages is unreadable")
		return
	}
	for i := range n {
		id := native.Uint64(ids[i*8:])
		if id < 2 || id >= p.meta.high || p.seen[id] {
			p.problem("page %d is free and in use", id)
		}
		p.seen[id] = true
	}
	for id := uint64(2); id < p.meta.high; id++ {
		if !p.seen[id] {
			p.problem("page %d is neither free nor in use", id)
			return
		}
	}
}
