package sample

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// zipOf is a zip in clear with entries of these names, in their order; one that is
// called mimetype is stored, as OpenDocument has it.
func zipOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		h := &zip.FileHeader{Name: n, Method: zip.Deflate}
		text := "content of " + n
		if n == "mimetype" {
			h.Method, text = zip.Store, "application/vnd.oasis.opendocument.text"
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheTypeIsToldByTheBytesAndThenByTheName(t *testing.T) {
	const ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00"
	docx := string(zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml"))
	for _, c := range []struct {
		what, name, head string
		want             Type
	}{
		{"a program", "a.exe", "MZ\x90\x00", Executable},
		{"a program that calls itself a document", "invoice.pdf", "MZ\x90\x00", Executable},
		{"a program without an extension", "sshd", "\x7fELF\x02\x01", Executable},
		{"a Mach-O program", "tool", "\xcf\xfa\xed\xfe\x07", Executable},
		{"a Java class", "A", "\xca\xfe\xba\xbe\x00", Executable},
		{"an Android program", "classes.dex", "dex\n035\x00", Executable},
		{"a document that calls itself a program", "a.exe", "%PDF-1.7", Document},
		{"a PDF", "a.pdf", "%PDF-1.7", Document},
		{"rich text", "x", `{\rtf1`, Document},
		{"OneNote", "x.bin", "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae", Document},
		{"an old Office file", "plan.doc", ole, Document},
		{"an OLE file without a name", "x", ole, Document},
		{"an installer", "setup.msi", ole, Executable},
		{"an OLE file that calls itself a script", "x.js", ole, Document},
		{"a Word file", "plan.docx", docx, Document},
		{"a Word file that calls itself an archive", "plan.zip", docx, Document},
		{"a Word file without a name", "4f2a", docx, Document},
		{"an Excel file", "x", string(zipOf(t, "xl/workbook.xml")), Document},
		{"an OpenDocument file", "x", string(zipOf(t, "mimetype", "content.xml")), Document},
		{"a Java archive", "a.jar", string(zipOf(t, "META-INF/MANIFEST.MF", "A.class")), Executable},
		{"an Android package", "a.apk", string(zipOf(t, "AndroidManifest.xml")), Executable},
		{"an archive", "a.zip", string(zipOf(t, "a.exe")), ArchiveFile},
		{"an archive without a name", "x", string(zipOf(t, "a.exe")), ArchiveFile},
		{"an archive that calls itself a document", "a.docx", string(zipOf(t, "a.exe")), Document},
		{"7z", "x", "7z\xbc\xaf\x27\x1c\x00\x04", ArchiveFile},
		{"rar", "x", "Rar!\x1a\x07\x01\x00", ArchiveFile},
		{"gzip", "x", "\x1f\x8b\x08", ArchiveFile},
		{"a cabinet", "x", "MSCF\x00", ArchiveFile},
		{"tar, by its name", "a.tar", "a\x00\x00", ArchiveFile},
		{"a script with an interpreter", "run", "#!/bin/sh\n", Script},
		{"a script that calls itself text", "run.txt", "#!/bin/sh\n", Script},
		{"a script, by its name", "a.ps1", "Get-Process\n", Script},
		{"text without an extension", "notes", "Dear all,\n", Document},
		{"text with an extension that says nothing", "notes.xyz", "Dear all,\n", Document},
		{"text, cut within a letter", "notes", strings.Repeat("ä", 10) + "\xc3", Document},
		{"text, cut within a letter of four bytes", "notes", "x\xf0\x9f\x98", Document},
		{"text, by its name", "notes.txt", "\xff\xfe\x00", Document},
		{"bytes that are no text", "data", "ab\xff\xffcdefgh", OtherFile},
		{"bytes that are nothing at all", "data", "\xff", OtherFile},
		{"zeros", "data", "\x00\x00\x00\x00", OtherFile},
		{"nothing, and a name that says nothing", "data", "", OtherFile},
		{"nothing, and a name", "a.exe", "", Executable},
	} {
		if got := TypeOf(c.name, []byte(c.head)); got != c.want {
			t.Errorf("%s (%s): %s, want %s", c.what, c.name, got, c.want)
		}
	}
}

func TestTheTypeOfANameIsThatOfItsLastExtension(t *testing.T) {
	for name, want := range map[string]Type{
		"a.exe": Executable, "A.EXE": Executable, `C:\Users\ana\a.DLL`: Executable, "/usr/lib/x.so": Executable,
		"invoice.pdf.exe": Executable, "a.exe.pdf": Document, "a.ps1": Script, "a.tar.gz": ArchiveFile,
		"plan.docx": Document, "plan.docx ": Document, "plan.docx.": Document, "a.exe. .": Executable,
		"exe": OtherFile, "": OtherFile, ".": OtherFile, "a.": OtherFile, "a.exe/b": OtherFile, "a.\xff": OtherFile,
	} {
		if got := TypeOfName(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestTheTypesAreThoseThatAreTold(t *testing.T) {
	all := Types()
	for _, name := range []string{"a.exe", "a.js", "a.zip", "a.pdf", "a"} {
		if !slices.Contains(all, TypeOfName(name)) {
			t.Errorf("%s is of type %s, which Types does not list", name, TypeOfName(name))
		}
	}
	if len(all) != 5 {
		t.Errorf("%v", all)
	}
}

func TestSumTellsHashesSizeAndTypeHoweverTheBytesCome(t *testing.T) {
	data := append([]byte("MZ"), noise(3*headBytes)...)
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data))} {
		c, err := Sum(context.Background(), r, "/tmp/x/invoice.pdf")
		if err != nil || c.Hashes != hashesOf(data) || c.Size != int64(len(data)) || c.Type != Executable || c.Name != "invoice.pdf" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestSumFailsWithWhatItReads(t *testing.T) {
	broken := errors.New("the disk is broken")
	if _, err := Sum(context.Background(), io.MultiReader(strings.NewReader("MZ"), iotest.ErrReader(broken)), "x"); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Sum(ctx, strings.NewReader("MZ"), "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestInspectTellsTheTypeOfTheFileThatItFound(t *testing.T) {
	s, _ := newSpool(t)
	for name, want := range map[string]Type{"report.pdf": Document, "evil.exe": Executable, "run": Script} {
		data := map[string][]byte{"report.pdf": []byte("%PDF-1.7 x"), "evil.exe": append([]byte("MZ"), noise(9000)...), "run": []byte("#!/bin/sh\n")}[name]
		z := makeZip(t, testPassword, made{name: "C/x/" + name, data: data, crypt: ae2x256})
		c, err := inspectBytes(s, z, testPassword, Limits{}, hashesOf(data))
		if err != nil || c.Type != want || c.Size != int64(len(data)) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func FuzzTheTypeIsAlwaysOneThatAPolicyKnows(f *testing.F) {
	f.Add("a.exe", []byte("MZ"))
	f.Add("plan.docx", []byte("PK\x03\x04word/"))
	f.Add("notes", []byte("Dear \xc3"))
	f.Add(`\\?\C:\a. .`, []byte{0})
	f.Fuzz(func(t *testing.T, name string, head []byte) {
		if got := TypeOf(name, head); !slices.Contains(Types(), got) {
			t.Fatalf("%q", got)
		}
		if bytes.HasPrefix(head, []byte("%PDF")) && TypeOf(name, head) != Document {
			t.Fatal("a PDF that is no document")
		}
	})
}
