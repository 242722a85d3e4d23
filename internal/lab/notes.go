package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// note is one note on a threat.
type note struct {
	id               string
	text, kind       string // kind: PLAIN_TEXT, HTML or MARKDOWN
	created, updated int64  // µs
	visible          int64  // µs: before it, reads do not show the note
	edited           bool
}

// maxNote is the vendor's limit, in characters.
const maxNote = 10_000

// addNote puts a note on a threat, visible after the lag.
func (s *console) addNote(slot int32, text, kind string, lag time.Duration) note {
	t := &s.threats[slot]
	now := s.now()
	n := note{
		id: s.nextNoteID(now), text: text, kind: kind,
		created: now, updated: now, visible: now + lag.Microseconds(),
	}
	s.notes[t.id] = append(s.notes[t.id], n)
	if s.echo {
		s.touch(slot)
	}
	return n
}

// nextNoteID grows with the time and is never given twice, even when the clock stands still.
func (s *console) nextNoteID(at int64) string {
	s.lastNoteID = max(s.lastNoteID+1, (at-idEpoch)*idStep)
	return strconv.FormatInt(s.lastNoteID, 10)
}

// shownNotes are the notes that a read shows now, the oldest first.
func (s *console) shownNotes(threatID int64) []note {
	now := s.now()
	var out []note
	for _, n := range s.notes[threatID] {
		if n.visible <= now {
			out = append(out, n)
		}
	}
	return out
}

// hasNote is what noteExists says.
func (s *console) hasNote(threatID int64) bool {
	now := s.now()
	return slices.ContainsFunc(s.notes[threatID], func(n note) bool { return n.visible <= now })
}

// findNote returns a note that exists, whether it is shown already, and where it is.
func (s *console) findNote(threatID int64, noteID string) (n *note, shown bool) {
	notes := s.notes[threatID]
	i := slices.IndexFunc(notes, func(n note) bool { return n.id == noteID })
	if i < 0 {
		return nil, false
	}
	return &notes[i], notes[i].visible <= s.now()
}

func (s *console) removeNote(threatID int64, noteID string) {
	left := slices.DeleteFunc(s.notes[threatID], func(n note) bool { return n.id == noteID })
	if s.notes[threatID] = left; len(left) == 0 {
		delete(s.notes, threatID)
	}
}

// plantForeignNotes leaves what Intezer EDR Connect would have left: two verdicts and one failure.
func (s *console) plantForeignNotes() {
	planted := 0
	for _, slot := range s.byID.order {
		t := &s.threats[slot]
		f := s.fileOf(t)
		if len(s.threats) < 20 || planted == 3 || t.visible > s.started {
			return
		}
		if f.verdict != "malicious" || f.held != holdsPrivate || t.status != statusUnresolved || t.hashes > hashSHA256 {
			continue
		}
		text := foreignNote(f)
		if planted == 2 {
			text = "Intezer Analyze File Scan failed: the file could not be fetched from the endpoint"
		}
		at := t.created + minute
		s.notes[t.id] = []note{{
			id: s.nextNoteID(at), text: text, kind: "PLAIN_TEXT", created: at, updated: at, visible: at,
		}}
		planted++
	}
}

// foreignNote is the note of EDR Connect's SDK since 1.8.1, in its long form.
func foreignNote(f *file) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Intezer File Analysis\n%s\n\n", strings.Repeat("=", 25))
	fmt.Fprintf(&b, "🧨 Malicious - %s (%d shared code genes)\n", f.family, f.reused)
	fmt.Fprintf(&b, "\nSize: %.1fKB\nFile type: %s\n", float64(f.size)/1024, f.kind.fileType)
	fmt.Fprintf(&b, "IOCs: 4 Indicators\nTTPs: 7 techniques\nSimilar previous uploads: 12 files\n")
	fmt.Fprintf(&b, "\nFull report:\n👉 https://analyze.intezer.com/analyses/%s", stableUUID("earlier/"+f.sha256))
	return b.String()
}
