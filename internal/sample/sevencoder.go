package sample

import "encoding/binary"

// coder checks one method and tells whether it encrypts.
func (w *sevenWalk) coder(id string, props []byte) (aes bool) {
	if w.err != nil {
		return false
	}
	var window uint64
	switch id {
	case "\x06\xf1\x07\x01":
		if len(props) < 2 || props[0]&0x3f > maxCycles {
			w.fail(TooLarge.fail("the 7z wants more than 2^%d rounds for its key", maxCycles))
		}
		return true
	case "\x03\x01\x01": // LZMA
		if len(props) != 5 {
			w.damaged()
			return false
		}
		window = uint64(binary.LittleEndian.Uint32(props[1:]))
	case "\x21": // LZMA2
		if len(props) != 1 || props[0] > 40 {
			w.damaged()
			return false
		}
		window = (2 | uint64(props[0]&1)) << (props[0]/2 + 11)
	case "\x00", "\x03", "\x0a", "\x04\x01\x08", "\x04\x02\x02", // copy, delta, ARM64, deflate, bzip2
		"\x03\x03\x01\x03", "\x03\x03\x01\x1b", "\x03\x03\x02\x05", "\x03\x03\x05\x01", "\x03\x03\x08\x05": // BCJ and its kin
	default:
		w.fail(NotSupported.fail("the 7z method %x is not read here", id))
	}
	if window > uint64(w.lim.Dictionary) {
		w.fail(TooLarge.fail("the 7z needs a window of %d bytes, more than %d", window, w.lim.Dictionary))
	}
	return false
}
