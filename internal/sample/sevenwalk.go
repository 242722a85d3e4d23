package sample

// sevenInfo is what the walk found.
type sevenInfo struct {
	folders   int
	encrypted int   // folders with AES
	unpacked  int64 // bytes of all folders
	files     int
}

// sevenWalk is a cursor over a header; the first error stays.
type sevenWalk struct {
	b    []byte
	lim  Limits
	info sevenInfo
	err  error
}

// fail keeps the first error.
func (w *sevenWalk) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *sevenWalk) damaged() { w.fail(Damaged.fail("the 7z header makes no sense")) }

// bytes takes n bytes.
func (w *sevenWalk) bytes(n int) []byte {
	if w.err != nil || n < 0 || n > len(w.b) {
		w.damaged()
		return make([]byte, max(0, min(n, 16)))
	}
	p := w.b[:n]
	w.b = w.b[n:]
	return p
}

func (w *sevenWalk) byte() byte { return w.bytes(1)[0] }

// number takes a 7z number: the leading ones of its first byte tell its length.
func (w *sevenWalk) number() uint64 {
	first := w.byte()
	var v uint64
	mask := byte(0x80)
	for i := range 8 {
		if first&mask == 0 {
			return v | uint64(first&(mask-1))<<(8*i)
		}
		v |= uint64(w.byte()) << (8 * i)
		mask >>= 1
	}
	return v
}

// count takes a number that is at most limit.
func (w *sevenWalk) count(limit int, what string) int {
	n := w.number()
	if n > uint64(limit) {
		w.fail(TooLarge.fail("the 7z has %d %s, more than %d", n, what, limit))
		return 0
	}
	return int(n)
}

// expect takes one id.
func (w *sevenWalk) expect(id byte) {
	if w.byte() != id {
		w.damaged()
	}
}
