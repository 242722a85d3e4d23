// Package safe makes hostile text harmless. Every string that came from a vendor
// was chosen by an attacker: a file name can hold terminal escapes, a path can
// start a spreadsheet formula, a link can be clicked by mistake.
package safe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s fit for one line on a terminal: control characters, escape
// sequences, line breaks, bidirectional and invisible format characters are
// replaced by a visible form (\x1b, \u202e); invalid UTF-8 by U+FFFD.
func Line(s string) string {
	clean := true
	for _, r := range s {
		if hostile(r) {
			clean = false
			break
		}
	}
	if clean && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for _, r := range s {
		if hostile(r) {
			escape(&b, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Text is [Line] for text of several lines: it keeps \n and \t, and turns \r\n
// into \n.
func Text(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		parts := strings.Split(l, "\t")
		for j := range parts {
			parts[j] = Line(parts[j])
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

// hostile reports whether r may do more on a terminal than show itself.
func hostile(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r == 0x2028, r == 0x2029: // line and paragraph separator
		return true
	case r == 0x200d: // zero-width joiner: part of emoji, harmless
		return false
	}
	return r > 0xff && unicode.Is(unicode.Cf, r) // bidi controls, invisible format characters, tags
}

const hexDigits = "0123456789abcdef"

func escape(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x100:
		b.WriteString(`\x`)
		b.WriteByte(hexDigits[r>>4])
		b.WriteByte(hexDigits[r&0xf])
	case r < 0x10000:
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(hexDigits[r>>shift&0xf])
		}
	default:
		b.WriteString(`\U`)
		for shift := 28; shift >= 0; shift -= 4 {
			b.WriteByte(hexDigits[r>>shift&0xf])
		}
	}
}

// CSV guards a cell against being read as a formula by a spreadsheet: a leading
// =, +, -, @, tab or carriage return gets an apostrophe before it.
func CSV(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// ASCII replaces every character that is not printable ASCII (or \n) by '?', for
// consoles that mangle anything else.
func ASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r >= 0x20 && r < 0x7f {
			return r
		}
		return '?'
	}, s)
}
