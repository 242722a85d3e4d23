package lab

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// sevenZipCycles is the 2-logarithm of the rounds of the key derivation, what 7-Zip itself uses.
const sevenZipCycles = 19

// The ids of the 7z header (7zFormat.txt) that are written here.
const (
	id7zEnd        = 0x00
	id7zHeader     = 0x01
	id7zStreams    = 0x04
	id7zFiles      = 0x05
	id7zPack       = 0x06
	id7zUnpack     = 0x07
	id7zSubStreams = 0x08
	id7zSize       = 0x09
	id7zCRC        = 0x0a
	id7zFolder     = 0x0b
	id7zUnpacked   = 0x0c
	id7zNames      = 0x11
)

// writeSevenZip writes a 7z whose entries are encrypted with the password (AES-256, SHA-256), not compressed; the header,
// with the names, is in clear. Entries without content are refused: the format keeps them elsewhere.
func writeSevenZip(w io.Writer, password string, entries []entry) error {
	for i, e := range entries {
		if len(e.content) == 0 {
			return fmt.Errorf("lab: 7z entry %d is empty", i)
		}
	}
	if len(entries) == 0 {
		return errors.New("lab: a 7z needs an entry")
	}
	block, err := aes.NewCipher(sevenZipKey(password))
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	var packed, header bytes.Buffer
	ivs := make([][]byte, len(entries))
	sizes := make([]int, len(entries))
	for i, e := range entries {
		padded := make([]byte, (len(e.content)+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
		copy(padded, e.content)
		ivs[i] = saltOf(password, i, e)[:aes.BlockSize]
		cipher.NewCBCEncrypter(block, ivs[i]).CryptBlocks(padded, padded)
		sizes[i] = len(padded)
		packed.Write(padded)
	}
	sevenZipHeader(&header, entries, sizes, ivs)
	start := binary.LittleEndian.AppendUint64(nil, uint64(packed.Len()))
	start = binary.LittleEndian.AppendUint64(start, uint64(header.Len()))
	start = binary.LittleEndian.AppendUint32(start, crc32.ChecksumIEEE(header.Bytes()))
	signature := binary.LittleEndian.AppendUint32([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), crc32.ChecksumIEEE(start))
	for _, part := range [][]byte{signature, start, packed.Bytes(), header.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// sevenZipKey hashes the password in UTF-16, each time with the number of the round.
func sevenZipKey(password string) []byte {
	h, pass := sha256.New(), utf16LE(password)
	round := make([]byte, 8)
	for n := range uint64(1) << sevenZipCycles {
		binary.LittleEndian.PutUint64(round, n)
		_, _ = h.Write(pass)
		_, _ = h.Write(round)
	}
	return h.Sum(nil)
}

func utf16LE(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// sevenZipHeader describes one folder with one packed stream and one AES coder for each entry.
func sevenZipHeader(b *bytes.Buffer, entries []entry, packed []int, ivs [][]byte) {
	b.Write([]byte{id7zHeader, id7zStreams, id7zPack, 0})
	number7z(b, len(entries))
	b.WriteByte(id7zSize)
	for _, n := range packed {
		number7z(b, n)
	}
	b.Write([]byte{id7zEnd, id7zUnpack, id7zFolder})
	number7z(b, len(entries))
	b.WriteByte(0) // the folders follow here
	for _, iv := range ivs {
		// One coder: four bytes of id, with properties; cycles and "there is an IV", no salt, 16 bytes of IV.
		b.Write([]byte{1, 0x24, 0x06, 0xf1, 0x07, 0x01, 18, sevenZipCycles | 0x40, 0x0f})
		b.Write(iv)
	}
	b.WriteByte(id7zUnpacked)
	for _, e := range entries {
		number7z(b, len(e.content))
	}
	b.Write([]byte{id7zEnd, id7zSubStreams, id7zCRC, 1}) // 7-Zip looks for the CRCs of files nowhere else
	for _, e := range entries {
		b.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(e.content)))
	}
	b.Write([]byte{id7zEnd, id7zEnd, id7zFiles})
	number7z(b, len(entries))
	var names []byte
	for _, e := range entries {
		names = append(names, utf16LE(e.name+"\x00")...)
	}
	b.WriteByte(id7zNames)
	number7z(b, len(names)+1)
	b.WriteByte(0) // the names follow here
	b.Write(names)
	b.Write([]byte{id7zEnd, id7zEnd})
}

// number7z writes a number the 7z way: the leading ones of the first byte count the bytes that follow.
func number7z(b *bytes.Buffer, n int) {
	v := uint64(n)
	for more := range 8 {
		if v < 1<<(7*(more+1)) {
			b.WriteByte(^byte(0xff>>more) | byte(v>>(8*more)))
			b.Write(binary.LittleEndian.AppendUint64(nil, v)[:more])
			return
		}
	}
	b.WriteByte(0xff)
	b.Write(binary.LittleEndian.AppendUint64(nil, v))
}
