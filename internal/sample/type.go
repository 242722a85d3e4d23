package sample

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Type is what a file is, as roughly as a policy needs to know it.
type Type string

// The types. A document is what people write: it is what must not leave a company
// without being asked for.
const (
	Executable  Type = "executable"
	Script      Type = "script"
	ArchiveFile Type = "archive"
	Document    Type = "document"
	OtherFile   Type = "other"
)

// Types lists the types.
func Types() []Type { return []Type{Executable, Script, ArchiveFile, Document, OtherFile} }

// headBytes is how much of a file is looked at to tell its type.
const headBytes = 4096

// extensions tells the type by the name's ending.
func extensions(ext string) Type {
	switch ext {
	case "exe", "dll", "sys", "scr", "com", "cpl", "ocx", "drv", "efi", "elf", "so", "dylib", "msi", "msp", "apk", "jar", "class", "bin", "app", "deb", "rpm", "ko":
		return Executable
	case "ps1", "psm1", "vbs", "vbe", "js", "jse", "mjs", "wsf", "wsh", "hta", "bat", "cmd", "sh", "bash", "py", "pl", "rb", "php", "lua", "au3", "sct", "lnk":
		return Script
	case "zip", "7z", "rar", "gz", "tgz", "tar", "bz2", "xz", "cab", "iso", "img", "vhd", "vhdx", "dmg", "pkg", "ace", "arj", "lzh", "zst":
		return ArchiveFile
	case "pdf", "doc", "docx", "docm", "dot", "dotx", "dotm", "xls", "xlsx", "xlsm", "xlsb", "xlt", "xltx", "xltm", "ppt", "pptx", "pptm", "pps", "ppsx",
		"rtf", "odt", "ods", "odp", "one", "pub", "vsd", "vsdx", "msg", "eml", "pst", "ost", "txt", "csv", "md", "htm", "html", "mht", "xml", "json", "log", "pages", "numbers", "key":
		return Document
	}
	return OtherFile
}

// TypeOfName tells the type by a file's name alone: [OtherFile] when that says nothing.
func TypeOfName(name string) Type {
	name = strings.TrimRight(strings.ToLower(baseName(name)), " .") // as Windows does
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return OtherFile
	}
	return extensions(name[i+1:])
}

// TypeOf tells the type by the first bytes, at most 4 KiB, and where those do not
// decide, by the name. In doubt between a document and anything else that is not a
// program, it is a document: one that was withheld can still be sent.
func TypeOf(name string, head []byte) Type {
	byName := TypeOfName(name)
	switch has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }; {
	case has("MZ"), has("\x7fELF"), has("\xca\xfe\xba\xbe"), has("\xcf\xfa\xed\xfe"), has("\xce\xfa\xed\xfe"), has("\xfe\xed\xfa\xce"), has("\xfe\xed\xfa\xcf"), has("dex\n"):
		return Executable
	case has("%PDF"), has("{\\rtf"), has("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d"): // the last is OneNote
		return Document
	case has("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"): // OLE: Office, Outlook, or an installer
		if byName == Executable {
			return Executable
		}
		return Document
	case has("PK\x03\x04"):
		return zipType(head, byName)
	case has("7z\xbc\xaf\x27\x1c"), has("Rar!\x1a\x07"), has("\x1f\x8b"), has("BZh"), has("\xfd7zXZ"), has("MSCF"), has("\x28\xb5\x2f\xfd"):
		return ArchiveFile
	case has("#!"):
		return Script
	case byName == OtherFile && (isText(head) || has("\xff\xfe") || has("\xfe\xff")): // the last two are UTF-16
		return Document
	}
	return byName
}

// zipType tells Office and OpenDocument files, and Java archives, from other zips.
func zipType(head []byte, byName Type) Type {
	for _, mark := range []string{"[Content_Types].xml", "mimetypeapplication/vnd.oasis", "word/", "xl/", "ppt/"} {
		if bytes.Contains(head, []byte(mark)) {
			return Document
		}
	}
	if byName == Executable || byName == Document {
		return byName
	}
	return ArchiveFile
}

// isText reports text: something that a person may have written.
func isText(head []byte) bool {
	if len(head) == 0 || bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for i := 0; i < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); i++ { // the last rune may be cut
		head = head[:len(head)-1]
	}
	return len(head) > 0 && utf8.Valid(head)
}
