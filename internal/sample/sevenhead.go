package sample

// The library that reads 7z allocates what a header says, 4 GiB of window or of
// file entries if need be, before it has seen any data. So the header is walked
// here first, with the library's own grammar, and refused when it is absurd.
// 7zFormat.txt of the LZMA SDK is the reference for the numbers.
const (
	sevenMagic = "7z\xbc\xaf\x27\x1c"

	idEnd, idHeader, idMainStreams, idFiles          = 0x00, 0x01, 0x04, 0x05
	idPackInfo, idUnpackInfo, idSubStreams           = 0x06, 0x07, 0x08
	idSize, idCRC, idFolder, idUnpackSize, idStreams = 0x09, 0x0a, 0x0b, 0x0c, 0x0d
	idNames, idEncodedHeader                         = 0x11, 0x17

	maxSevenHeader = 1 << 20 // bytes, in clear
	maxCoders      = 8       // of one folder: AES, BCJ2, its four streams and a filter
	maxCycles      = 20      // of the key derivation, as a power of two; 7-Zip writes 19
)

// skipCRCs takes a digest list of n streams.
func (w *sevenWalk) skipCRCs(n int) {
	defined := n
	if w.byte() == 0 {
		defined = 0
		bits := w.bytes((n + 7) / 8)
		for i := range min(n, 8*len(bits)) {
			if bits[i/8]&(0x80>>(i%8)) != 0 {
				defined++
			}
		}
	}
	w.bytes(4 * defined)
}

// streams walks a StreamsInfo, from behind its id to its end.
func (w *sevenWalk) streams() {
	id := w.byte()
	if id == idPackInfo {
		id = w.pack()
	}
	folders := []int64{}
	if id == idUnpackInfo {
		folders = w.unpack()
		id = w.byte()
	}
	if id == idSubStreams {
		w.sub(len(folders))
		id = w.byte()
	}
	if id != idEnd {
		w.damaged()
	}
}

// pack walks the sizes of the packed streams and gives the id behind them.
func (w *sevenWalk) pack() byte {
	w.number()
	n := w.count(maxCoders*w.lim.Entries, "streams")
	id := w.byte()
	if id == idSize {
		var sum uint64
		for range n {
			v := w.number()
			if sum += v; v > uint64(w.lim.Raw) || sum > uint64(w.lim.Raw) {
				w.damaged()
			}
		}
		id = w.byte()
	}
	if id == idCRC {
		w.skipCRCs(n)
		id = w.byte()
	}
	if id != idEnd {
		w.damaged()
	}
	return w.byte()
}

// unpack walks the folders and their sizes.
func (w *sevenWalk) unpack() []int64 {
	w.expect(idFolder)
	n := w.count(w.lim.Entries, "folders")
	if w.byte() != 0 {
		w.fail(NotSupported.fail("the 7z keeps its header in parts, which is not read here"))
	}
	outs := make([]int, n)
	for i := range outs {
		if w.err != nil {
			return nil
		}
		outs[i] = w.folder()
	}
	w.expect(idUnpackSize)
	sizes := make([]int64, n)
	for i, out := range outs {
		for range out {
			// The coders of a folder hold the same data in steps: the largest counts.
			v := w.number()
			if v > uint64(w.lim.Bytes) {
				w.fail(TooLarge.fail("the 7z holds more than %d bytes", w.lim.Bytes))
				return nil
			}
			sizes[i] = max(sizes[i], int64(v))
		}
		if w.info.unpacked += sizes[i]; w.info.unpacked > w.lim.Bytes {
			w.fail(TooLarge.fail("the 7z holds more than %d bytes", w.lim.Bytes))
		}
	}
	id := w.byte()
	if id == idCRC {
		w.skipCRCs(n)
		id = w.byte()
	}
	if id != idEnd {
		w.damaged()
	}
	w.info.folders += n
	return sizes
}

// folder walks one folder's coders and gives how many streams come out of them.
func (w *sevenWalk) folder() int {
	in, out, aes := 0, 0, false
	for range w.count(maxCoders, "coders in a folder") {
		flags := w.byte()
		id := string(w.bytes(int(flags & 0xf)))
		i, o := 1, 1
		if flags&0x10 != 0 {
			i, o = w.count(maxCoders, "inputs"), w.count(maxCoders, "outputs")
		}
		var props []byte
		if flags&0x20 != 0 {
			props = w.bytes(w.count(255, "property bytes"))
		}
		if flags&0xc0 != 0 {
			w.damaged()
		}
		in, out = in+i, out+o
		aes = w.coder(id, props) || aes
	}
	if out < 1 || in < out || w.err != nil {
		w.damaged()
		return 0
	}
	for range out - 1 {
		w.count(in, "streams in a folder")
		w.count(out, "streams in a folder")
	}
	if packed := in - (out - 1); packed > 1 {
		for range packed {
			if w.count(in, "streams in a folder") >= in {
				w.damaged()
			}
		}
	}
	if aes {
		w.info.encrypted++
	}
	return out
}

// sub walks how the folders are divided into files.
func (w *sevenWalk) sub(folders int) {
	id := w.byte()
	per := make([]int, folders)
	files := 0
	for i := range per {
		per[i] = 1
		if id == idStreams {
			per[i] = w.count(w.lim.Entries, "entries")
		}
		files += per[i]
	}
	if files > w.lim.Entries {
		w.fail(TooLarge.fail("the 7z has %d entries, more than %d", files, w.lim.Entries))
		return
	}
	if id == idStreams {
		id = w.byte()
	}
	if id == idSize {
		for _, n := range per {
			for range n - 1 {
				w.number()
			}
		}
		id = w.byte()
	}
	if id == idCRC {
		w.skipCRCs(files)
		id = w.byte()
	}
	if id != idEnd {
		w.damaged()
	}
}

// header walks a plain header up to the number of its files; what follows costs
// the library no more than that number and its own length.
func (w *sevenWalk) header() {
	w.expect(idHeader)
	id := w.byte()
	if id == idMainStreams {
		w.streams()
		id = w.byte()
	}
	switch id {
	case idFiles:
		w.info.files = w.count(w.lim.Entries, "entries")
	case idEnd:
	default:
		w.damaged()
	}
}
