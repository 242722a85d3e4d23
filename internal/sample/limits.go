package sample

import "context"

// Limits bound what one archive may cost. A zero field takes its default.
type Limits struct {
	Raw        int64 // bytes of the archive itself; 512 MiB
	Bytes      int64 // bytes inside, of all the files read together; 512 MiB
	Entries    int   // files and folders inside; 256
	Ratio      int64 // bytes inside for each byte of the archive; 10000 (LZMA's zeros reach 7000)
	Dictionary int64 // bytes of a 7z decoder's window; 64 MiB
}

// ratioFree is how much may come out of an archive before its ratio matters:
// small files of zeros are harmless.
const ratioFree = 1 << 20

// DefaultLimits are the limits that suit the engine's largest file with room to spare.
func DefaultLimits() Limits {
	return Limits{Raw: 512 << 20, Bytes: 512 << 20, Entries: 256, Ratio: 10_000, Dictionary: 64 << 20}
}

// orDefault fills what is not set.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	fill := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	fill(&l.Raw, d.Raw)
	fill(&l.Bytes, d.Bytes)
	fill(&l.Ratio, d.Ratio)
	fill(&l.Dictionary, d.Dictionary)
	if l.Entries <= 0 {
		l.Entries = d.Entries
	}
	return l
}

// meter counts what came out of one archive against the limits.
type meter struct {
	ctx context.Context
	lim Limits
	raw int64 // the archive's size
	out int64
}

// room gives how many more bytes may come out before a limit is reached.
func (m *meter) room() int64 {
	return min(m.lim.Bytes, max(ratioFree, m.lim.Ratio*m.raw)) - m.out
}

// declared refuses a size before anything is decompressed.
func (m *meter) declared(size int64) error {
	if size < 0 || size > m.room() {
		return m.refuse(size)
	}
	return nil
}

// refuse says which limit it was.
func (m *meter) refuse(size int64) error {
	if size < 0 || m.out+size > m.lim.Bytes {
		return TooLarge.fail("the archive holds more than %d bytes", m.lim.Bytes)
	}
	return TooLarge.fail("the archive of %d bytes expands more than %d times: a decompression bomb", m.raw, m.lim.Ratio)
}

// add counts n bytes that came out.
func (m *meter) add(n int) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	if int64(n) > m.room() {
		return m.refuse(int64(n))
	}
	m.out += int64(n)
	return nil
}
