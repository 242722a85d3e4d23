package triage

import (
	"fmt"
	"html"
	"strings"

	"golang.org/x/text/unicode/norm"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/safe"
	"edrc/internal/source"
)

const (
	maxNoteFiles  = 10
	maxNoteIOCs   = 3
	maxNoteAttack = 8
	maxNesting    = 8 // of entities in entities; deeper ones no product resolves
)

// noteText renders the verdict note for an alert: what a colleague reads in the
// product's console. The marker line stands last and is never cut.
func noteText(rec *ledger.Alert, files []fileState, t source.Traits) string {
	w, _ := worst(files)
	if w == nil {
		return ""
	}
	v := w.Verdict.Verdict
	var b strings.Builder
	fmt.Fprintf(&b, "%s verdict: %s", title(v.Engine), className(v.Class))
	if v.Family != "" {
		fmt.Fprintf(&b, ", %s", vendorText(v.Family))
	}
	if v.Genes > 0 {
		fmt.Fprintf(&b, " (%d shared code genes)", v.Genes)
	}
	b.WriteByte('\n')
	if rec.Noted != "" {
		fmt.Fprintf(&b, "updates the earlier verdict: %s\n", className(rec.Noted))
	}
	for i, f := range files {
		if i == maxNoteFiles {
			fmt.Fprintf(&b, "and %d more files\n", len(files)-i)
			break
		}
		b.WriteString(fileLine(f, len(files) > 1))
	}
	if line := evidenceLine(v); line != "" {
		b.WriteString(line)
	}
	if v.URL != "" {
		fmt.Fprintf(&b, "Full report: %s\n", safe.Line(v.URL))
	}
	return finishNote(b.String(), rec.Marker, t)
}

// noFileText renders the note that tells that a file could not be had.
func noFileText(engine string, f *fileState, marker string, t source.Traits) string {
	body := fmt.Sprintf("%s: no verdict, the file could not be had\n%s%s\n", title(engine), fileLine(*f, false), vendorText(f.Job.Reason))
	return finishNote(body, marker, t)
}

// finishNote makes a body safe for the product, cuts it to what fits, and puts
// the marker under it.
func finishNote(body, marker string, t source.Traits) string {
	body = strings.TrimRight(breakMarkers(safe.Text(body)), "\n")
	if t.NoteASCII {
		body = safe.ASCII(body)
	}
	tail := "\n[edrc:" + marker + "]"
	if room := t.NoteMax - len([]rune(tail)); t.NoteMax > 0 {
		if r := []rune(body); len(r) > room {
			body = string(r[:max(0, room-1)]) + "…"
			if t.NoteASCII {
				body = string(r[:max(0, room-3)]) + "..."
			}
		}
	}
	return body + tail
}

func fileLine(f fileState, withClass bool) string {
	name := f.File.Name
	if name == "" {
		name = "file"
	}
	h := f.File.Best()
	var v alert.Verdict
	if f.Verdict != nil {
		v = f.Verdict.Verdict
		h = v.Best()
	}
	line := fmt.Sprintf("%s  %s %s", vendorText(name), h.Algo(), h)
	if size := max(v.Size, f.File.Size); size > 0 {
		line += "  " + Bytes(size)
	}
	if v.FileType != "" {
		line += " " + vendorText(v.FileType)
	}
	if withClass {
		state := "not judged"
		if f.Verdict != nil {
			state = className(v.Class)
		}
		line += "  " + state
	}
	return line + "\n"
}

func evidenceLine(v alert.Verdict) string {
	var parts []string
	if n := len(v.Attack); n > 0 {
		ids := make([]string, 0, maxNoteAttack)
		for _, t := range v.Attack[:min(n, maxNoteAttack)] {
			ids = append(ids, vendorText(t.ID))
		}
		if n > maxNoteAttack {
			ids = append(ids, "…")
		}
		parts = append(parts, "TTPs: "+strings.Join(ids, ", "))
	}
	if n := len(v.IOCs); n > 0 {
		vals := make([]string, 0, maxNoteIOCs)
		for _, i := range v.IOCs[:min(n, maxNoteIOCs)] {
			vals = append(vals, vendorText(safe.Defang(i.Value)))
		}
		parts = append(parts, fmt.Sprintf("IOCs: %d (%s)", n, strings.Join(vals, ", ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, " · ") + "\n"
}

// vendorText makes a string that a vendor or a file's author chose fit for a line:
// nothing in it can be clicked.
func vendorText(s string) string {
	return link().ReplaceAllStringFunc(safe.Line(s), func(scheme string) string {
		return strings.ReplaceAll(strings.ToLower(scheme), "t", "x")
	})
}

func className(c alert.Class) string { return strings.ReplaceAll(string(c), "_", " ") }

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Bytes gives a size for the eye: "412 KiB".
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, suffix := float64(n)/unit, 0
	for f >= unit && suffix < 3 {
		f, suffix = f/unit, suffix+1
	}
	if f >= 10 {
		return fmt.Sprintf("%.0f %s", f, [...]string{"KiB", "MiB", "GiB", "TiB"}[suffix])
	}
	return fmt.Sprintf("%.1f %s", f, [...]string{"KiB", "MiB", "GiB", "TiB"}[suffix])
}

var (
	plainTag  = safe.Pattern(`<[^<>]{0,200}>`)
	markerTag = safe.Pattern(`\[?edrc:([0-9a-f]{16})\]?`)
	markerish = safe.Pattern(`(?i)edrc:`)
	hiding    = safe.Pattern(`[&<]`)
	invisible = safe.Pattern(`[\x{ad}\x{34f}\p{Cf}\p{Mn}]`)
	link      = safe.Pattern(`(?i)(?:http|ftp)s?://`)
)

// breakMarkers stops text that an attacker chose (a file name) from planting a
// marker: what looks like one is spelled with a space, also when it looks like one
// only after a product has rendered it.
func breakMarkers(s string) string {
	s = markerish().ReplaceAllString(norm.NFC.String(s), "edrc :")
	if plants(s) {
		s = hiding().ReplaceAllString(safe.ASCII(s), "$0 ")
	}
	return s
}

// plants reports whether a marker appears in s once entities are resolved, however
// often they are nested, tags dropped, or characters removed that do not show.
func plants(s string) bool {
	looks := func(s string) bool {
		return markerish().MatchString(norm.NFKC.String(invisible().ReplaceAllString(s, "")))
	}
	for range maxNesting {
		text := html.UnescapeString(s)
		bare := plainTag().ReplaceAllString(text, "")
		if looks(text) || looks(bare) {
			return true
		}
		if bare == s {
			break
		}
		s = bare
	}
	return false
}

// markersIn finds the markers in a note as a product gives it back: it may have
// turned it into HTML, changed its normal form or folded its white space.
func markersIn(text string) []string {
	var out []string
	for _, m := range markerTag().FindAllStringSubmatch(folded(text), -1) {
		out = append(out, m[1])
	}
	return out
}

// folded undoes what products do to a note: HTML, normal form, white space.
func folded(text string) string {
	text = plainTag().ReplaceAllString(html.UnescapeString(text), " ")
	return strings.Join(strings.Fields(norm.NFC.String(text)), " ")
}

// sameNote reports whether two notes that hold one marker are the same note written
// twice, and not a person's that quotes it: they begin alike and the marker ends both.
func sameNote(a, b, marker string) bool {
	a, b = folded(a), folded(b)
	tail := marker + "]"
	if !strings.HasSuffix(a, tail) || !strings.HasSuffix(b, tail) {
		return false
	}
	n := min(len(a), len(b), len("Intezer verdict: "))
	return a[:n] == b[:n]
}

// foreignVerdict recognises a note of Intezer EDR Connect that tells the same
// class; its titles changed with the versions of its SDK, and a failure note
// begins like a success (see docs/products.md).
func foreignVerdict(text string, c alert.Class) bool {
	text = strings.TrimSpace(plainTag().ReplaceAllString(html.UnescapeString(text), "\n"))
	if strings.HasPrefix(text, "Intezer Analyze File Scan failed") {
		return false
	}
	for _, t := range []string{"Intezer Analyze", "Intezer Analysis", "Intezer File Analysis", "Intezer FileAnalysis"} {
		if strings.HasPrefix(text, t) {
			return strings.Contains(strings.ToLower(text), className(c))
		}
	}
	return false
}
