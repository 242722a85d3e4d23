package lab

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
)

// What an agent uploads when it is asked for a file.
const (
	serveZipCrypto  = "zipcrypto"  // the file and a manifest, in the old cipher: what consoles send
	serveAES        = "aes"        // the same in AES
	serveWrong      = "wrong"      // other bytes under the file's name, and a manifest that agrees with them
	serveUnreadable = "unreadable" // a manifest alone, with the reason why the agent could not read the file
	serveCorrupt    = "corrupt"    // one byte of the encrypted file is not what it was
	serveEmpty      = "empty"      // a zip without entries
	serveNested     = "nested"     // the file is in a zip with the same password, and that is in the zip
	serveHostile    = "hostile"    // the file under a name that climbs out, with control characters in it
	serveHuge       = "huge"       // the file that Options.Huge made; of any other file, 150 MB that are not the file
)

func serveKinds() []string {
	return []string{
		serveZipCrypto, serveAES, serveWrong, serveUnreadable, serveCorrupt, serveEmpty, serveNested, serveHostile, serveHuge,
	}
}

// hugeSize is what is uploaded as huge of a file that is not.
const hugeSize = 150 << 20

// dealServes deals out what agents upload of each file, apart for those that must be fetched because the engine has no
// bytes of them: in a world of 60 files these are six.
func (c *corpus) dealServes() {
	deal := []string{
		serveZipCrypto, serveAES, serveZipCrypto, serveWrong, serveAES, serveUnreadable,
		serveZipCrypto, serveCorrupt, serveHostile, serveEmpty, serveZipCrypto, serveNested,
	}
	dealt := map[bool]int{}
	for i := range c.files {
		class := c.files[i].held == holdsNothing
		c.files[i].serves = deal[dealt[class]%len(deal)]
		dealt[class]++
	}
}

// parcel is one upload, ready to be packed.
type parcel struct {
	corpus   *corpus
	kind     string
	index    int // of the file
	path     string
	password string
}

// manifestItem is what the manifest says about one file.
type manifestItem struct {
	Path   string `json:"path"`
	SHA1   string `json:"sha1"`
	Reason string `json:"reason"`
}

// pack gives the archive. A huge one is not for it.
func (p parcel) pack() ([]byte, error) {
	f := &p.corpus.files[p.index]
	content := p.corpus.content(p.index, min(f.size, contentBlock))
	name, method := entryName(p.path), zipCrypto
	var entries []entry
	switch p.kind {
	case serveAES:
		method = zipAES
	case serveWrong:
		slices.Reverse(content)
	case serveUnreadable:
		return p.zip(method, p.manifest(nil, "The agent could not read the file: access is denied"))
	case serveEmpty:
		return p.zip(method)
	case serveNested:
		inner, err := p.zip(method, entry{name: name, content: content}, p.manifest(content, ""))
		if err != nil {
			return nil, err
		}
		name, content = name+".zip", inner
	case serveHostile:
		name = "../../../../../../../../tmp/edrc-lab\x1b]0;owned\x07\u202egpj.exe"
	}
	entries = append(entries, entry{name: name, content: content}, p.manifest(content, ""))
	out, err := p.zip(method, entries...)
	if err == nil && p.kind == serveCorrupt {
		out[len(localHeader)+len(name)+100] ^= 0x20 // well inside the first entry, which has 700 bytes or more
	}
	return out, err
}

// localHeader has the length of the fixed part of a zip's local header.
const localHeader = "PK\x03\x04..........................."

func (p parcel) zip(method string, entries ...entry) ([]byte, error) {
	var b bytes.Buffer
	err := writeEncryptedZip(&b, method, p.password, entries)
	return b.Bytes(), err
}

// manifest is what the agent says about the file: its hash, unless there is a reason why it has none.
func (p parcel) manifest(content []byte, reason string) entry {
	item := manifestItem{Path: windowsPath(p.path), Reason: reason}
	if reason == "" {
		sum := sha1.Sum(content)
		item.SHA1 = hex.EncodeToString(sum[:])
	}
	return manifestOf(item)
}

func manifestOf(item manifestItem) entry {
	raw, _ := json.Marshal([]manifestItem{item}) // three strings always marshal
	return entry{name: "manifest.json", content: raw}
}

// windowsPath is a path with a drive where the console has a device. Other paths stay.
func windowsPath(path string) string {
	if rest, ok := strings.CutPrefix(path, `\Device\HarddiskVolume3\`); ok {
		return `C:\` + rest
	}
	return path
}

// entryName is a path as it stands in the archive: the colon of the drive is gone.
func entryName(path string) string {
	path = windowsPath(path)
	if rest, ok := strings.CutPrefix(path, `C:\`); ok {
		return "C/" + strings.ReplaceAll(rest, `\`, "/")
	}
	return strings.TrimPrefix(path, "/")
}

// packHuge writes a huge archive without ever holding it.
func (p parcel) packHuge(w io.Writer) error {
	size := hugeSize
	if own := p.corpus.files[p.index].size; own > contentBlock {
		size = own
	}
	sum, check := sha1.New(), crc32.NewIEEE()
	if err := p.corpus.writeContent(io.MultiWriter(sum, check), p.index, size); err != nil {
		return err
	}
	z := zip.NewWriter(w)
	h := &zip.FileHeader{
		Name: entryName(p.path), Method: zip.Store, Flags: flagEncrypted, CRC32: check.Sum32(),
		UncompressedSize64: uint64(size), CompressedSize64: uint64(size) + 12,
	}
	raw, err := z.CreateRaw(h)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	stream := &cryptWriter{w: raw, keys: newZipKeys(p.password)}
	if _, err := stream.Write(append([]byte("eleven byte"), byte(h.CRC32>>24))); err != nil {
		return err
	}
	if err := p.corpus.writeContent(stream, p.index, size); err != nil {
		return err
	}
	manifest := manifestOf(manifestItem{Path: windowsPath(p.path), SHA1: hex.EncodeToString(sum.Sum(nil))})
	if err := writeZipEntry(z, zipCrypto, p.password, 1, manifest); err != nil {
		return err
	}
	return z.Close()
}

// cryptWriter encrypts a stream with the old cipher.
type cryptWriter struct {
	w    io.Writer
	keys zipKeys
	buf  []byte
}

func (c *cryptWriter) Write(clear []byte) (int, error) {
	c.buf = c.buf[:0]
	for _, b := range clear {
		c.buf = append(c.buf, b^c.keys.next())
		c.keys.update(b)
	}
	n, err := c.w.Write(c.buf)
	return n, err
}
