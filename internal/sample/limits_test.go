package sample

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"testing"

	"edrc/internal/alert"
)

func TestEachLimitOfAZip(t *testing.T) {
	s, _ := newSpool(t)
	zeros := make([]byte, 4<<20)
	many := []made{}
	for i := range 20 {
		many = append(many, made{name: fmt.Sprintf("f%d", i), data: []byte("x"), crypt: legacy})
	}
	for name, tc := range map[string]struct {
		lim     Limits
		entries []made
	}{
		"raw":     {Limits{Raw: 100}, []made{{name: "a", data: noise(200), crypt: legacy}}},
		"bytes":   {Limits{Bytes: 1 << 20}, []made{{name: "a", data: zeros, crypt: ae2x256}}},
		"ratio":   {Limits{Ratio: 100}, []made{{name: "a", data: zeros, crypt: ae2x256}}},
		"entries": {Limits{Entries: 19}, many},
		"bytes of several files": {Limits{Bytes: 5 << 20}, []made{
			{name: "a", data: zeros, crypt: legacy}, {name: "b", data: zeros, crypt: legacy}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := makeZip(t, testPassword, tc.entries...)
			want := hashesOf([]byte("none of them"))
			_, err := inspectBytes(s, b, testPassword, tc.lim, want)
			wantProblem(t, err, TooLarge)
			_, err = inspectBytes(s, b, testPassword, Limits{}, want)
			wantProblem(t, err, WrongBytes)
		})
	}
}

func TestADirectoryWithoutEndIsNotReadToItsEnd(t *testing.T) {
	s, _ := newSpool(t)
	var out bytes.Buffer
	zw := zip.NewWriter(&out)
	for i := range 60_000 {
		if _, err := zw.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i), Flags: 1}); err != nil {
			t.Fatal(err)
		}
	}
	zw.Close()
	_, err := inspectBytes(s, out.Bytes(), testPassword, Limits{}, alert.Hashes{})
	wantProblem(t, err, TooLarge)
}

func TestASizeThatLiesIsFoundOut(t *testing.T) {
	s, _ := newSpool(t)
	for _, c := range []crypt{legacy, ae1x256, ae2x128} {
		for _, lie := range []int64{-1, 1, -1900} {
			b := makeZip(t, testPassword, made{name: "a", data: marked(2000), crypt: c,
				change: func(fh *zip.FileHeader) { fh.UncompressedSize64 += uint64(lie) }})
			_, err := inspectBytes(s, b, testPassword, Limits{}, alert.Hashes{})
			wantProblem(t, err, Damaged)
		}
		b := makeZip(t, testPassword, made{name: "a", data: marked(2000), crypt: c,
			change: func(fh *zip.FileHeader) { fh.UncompressedSize64 = 1 << 50 }})
		_, err := inspectBytes(s, b, testPassword, Limits{}, alert.Hashes{})
		wantProblem(t, err, TooLarge)
	}
}

func TestHostileNamesAndStructures(t *testing.T) {
	s, _ := newSpool(t)
	flag := func(bit uint16) func(*zip.FileHeader) {
		return func(fh *zip.FileHeader) { fh.Flags |= bit }
	}
	one := func(name string) []made { return []made{{name: name, data: []byte("x"), crypt: legacy}} }
	for name, tc := range map[string]struct {
		entries []made
		want    Problem
	}{
		"climbs":             {one("../../etc/cron.d/x"), Hostile},
		"climbs, Windows":    {one(`C\..\..\x`), Hostile},
		"zero byte":          {one("a\x00.exe"), Hostile},
		"absurdly long":      {one(long(40_000)), Hostile},
		"no name":            {one(""), Hostile},
		"twice":              {append(one("a"), one("a")...), Hostile},
		"link":               {[]made{{name: "a", data: []byte("/etc/passwd"), crypt: legacy, mode: fs.ModeSymlink | 0o777}}, Hostile},
		"strong encryption":  {[]made{{name: "a", data: []byte("x"), crypt: legacy, change: flag(1 << 6)}}, NotSupported},
		"masked directory":   {[]made{{name: "a", data: []byte("x"), crypt: legacy, change: flag(1 << 13)}}, NotSupported},
		"unknown method":     {[]made{{name: "a", data: []byte("x"), crypt: legacy, change: func(fh *zip.FileHeader) { fh.Method = 14 }}}, NotSupported},
		"AES without a size": {[]made{{name: "a", data: []byte("x"), crypt: ae2x256, change: func(fh *zip.FileHeader) { fh.Extra = nil }}}, Damaged},
		"AES of tomorrow":    {[]made{{name: "a", data: []byte("x"), crypt: ae2x256, change: func(fh *zip.FileHeader) { fh.Extra[4] = 3 }}}, NotSupported},
		"only a folder":      {[]made{{name: "a/"}}, NoFile},
		"two files, no hash": {append(one("a"), one("b")...), NoFile},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspectBytes(s, makeZip(t, testPassword, tc.entries...), testPassword, Limits{}, alert.Hashes{})
			wantProblem(t, err, tc.want)
		})
	}
}

func TestNamesAreReducedToTheirLastElement(t *testing.T) {
	for in, want := range map[string]string{
		"C/Users/a/bad.exe": "bad.exe", `C:\Users\a\bad.exe`: "bad.exe", "/usr/bin/x": "x", "": "sample", "///": "sample",
		"a/..": "sample", "a\xff.exe": "a_.exe", long(300) + ".exe": long(251) + ".exe",
	} {
		if got := baseName(in); got != want {
			t.Errorf("%q gives %q, want %q", cut(in, 20), got, want)
		}
	}
}

// make7z puts a header and packed bytes into a 7z.
func make7z(packed, header []byte) []byte {
	v := newSevenView(bytes.NewReader(append(make([]byte, sevenStart), packed...)), int64(len(packed)), header)
	out := make([]byte, v.size())
	_, _ = v.ReadAt(out, 0)
	return out
}

// stored7z is a 7z header of one folder with the coders given, and its files.
func stored7z(data []byte, coders []byte, files uint64) []byte {
	h := []byte{1, 4, 6, 0, 1, 9}
	h = append(h, num7z(uint64(len(data)))...)
	h = append(h, 0, 7, 0x0b, 1, 0)
	h = append(append(h, coders...), 0x0c)
	h = append(h, num7z(uint64(len(data)))...)
	h = append(h, 0x0a, 1)
	h = binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(data))
	h = append(h, 0, 0, 5)
	h = append(h, num7z(files)...)
	return append(h, 0x11, 5, 0, 'a', 0, 0, 0, 0, 0)
}

// num7z writes a number of up to 64 bits in nine bytes.
func num7z(v uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0xff}, v) }

func TestEachLimitOfA7z(t *testing.T) {
	s, _ := newSpool(t)
	data := marked(1000)
	stored := []byte{1, 1, 0}
	lzma := func(window uint32) []byte {
		return binary.LittleEndian.AppendUint32([]byte{1, 0x23, 3, 1, 1, 5, 0x5d}, window)
	}
	for name, tc := range map[string]struct {
		coders []byte
		files  uint64
		lim    Limits
		want   Problem
	}{
		"a plain one is fine":  {stored, 1, Limits{}, ""},
		"four billion entries": {stored, 1 << 32, Limits{}, TooLarge},
		"entries":              {stored, 3, Limits{Entries: 2}, TooLarge},
		"bytes":                {stored, 1, Limits{Bytes: 999}, TooLarge},
		"window of LZMA":       {lzma(0xffffffff), 1, Limits{}, TooLarge},
		"window of LZMA2":      {[]byte{1, 0x21, 0x21, 1, 40}, 1, Limits{}, TooLarge},
		"window as set":        {lzma(1 << 20), 1, Limits{Dictionary: 1<<20 - 1}, TooLarge},
		"key derivation":       {[]byte{1, 0x24, 6, 0xf1, 7, 1, 2, 0xc0 | 30, 0}, 1, Limits{}, TooLarge},
		"PPMd":                 {[]byte{1, 0x23, 3, 4, 1, 5, 6, 0, 0, 0, 0xff}, 1, Limits{}, NotSupported},
		"many coders":          {append([]byte{60}, bytes.Repeat([]byte{1, 0}, 60)...), 1, Limits{}, TooLarge},
		"LZMA's properties":    {[]byte{1, 0x23, 3, 1, 1, 1, 0}, 1, Limits{}, Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			s.Limits = tc.lim
			got, err := inspectBytes(s, make7z(data, stored7z(data, tc.coders, tc.files)), testPassword, tc.lim, alert.Hashes{})
			if tc.want == "" {
				if err != nil || got.Hashes != hashesOf(data) {
					t.Fatalf("got %+v, %v", got, err)
				}
				return
			}
			wantProblem(t, err, tc.want)
		})
	}
}

func TestTheSpoolsOwnLimits(t *testing.T) {
	s, dir := newSpool(t)
	s.Limits = Limits{Raw: 1000, Bytes: 1000}
	_, err := s.Take(context.Background(), bytes.NewReader(noise(1001)), testPassword)
	wantProblem(t, err, TooLarge)
	_, err = s.Wrap(context.Background(), bytes.NewReader(noise(1001)), "a", testPassword)
	wantProblem(t, err, TooLarge)
	s.Limits, s.Max = Limits{}, 100_000
	a, err := s.Wrap(context.Background(), bytes.NewReader(noise(60_000)), "a", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Wrap(context.Background(), bytes.NewReader(noise(60_000)), "b", testPassword)
	wantProblem(t, err, Full)
	wantProblem(t, s.Keep(context.Background(), a, "k"), Full)
	s.Max = 200_000
	if err := s.Keep(context.Background(), a, "k"); err != nil {
		t.Fatal(err)
	}
	a.Close()
	s.Max = 100_000
	_, err = s.Wrap(context.Background(), bytes.NewReader(noise(60_000)), "b", testPassword)
	wantProblem(t, err, Full)
	if n := s.live.Load(); n != 0 {
		t.Fatalf("%d bytes are still counted", n)
	}
	if names := namesIn(t, dir); len(names) != 1 {
		t.Fatalf("left on the spool: %v", names)
	}
}
