package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/triage"
)

func newNote(a *app) *cobra.Command {
	return group("note", "Write and read notes on alerts", withTemplates(a, newNoteAdd(a)), newNoteList(a))
}

func newNoteAdd(a *app) *cobra.Command {
	var text, file, key string
	c := &cobra.Command{
		Use: "add REF… --text TEXT|--file FILE|-", Short: "Write a note on an alert, once",
		Example: "  edrc note add s1-prod:1698432198765432101 --text \"IR-2231: host reimaged\"\n  make-report | edrc note add s1-prod:1698432198765432101 -",
		Args:    atLeast(1, "the REF of an alert"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, args, err := noteBody(a.IO.In, text, file, args)
			if err != nil {
				return err
			}
			svc, out, err := a.begin(cmd, nil, serviceOptions{finishes: true})
			if err != nil {
				return err
			}
			return runNoteAdd(cmd, a, svc, out, args, body, key)
		},
	}
	c.Flags().StringVar(&text, "text", "", "the note's `text`")
	c.Flags().StringVar(&file, "file", "", "read the text from a `file`; - is stdin")
	c.Flags().StringVar(&key, "key", "", "repeat a note safely: the same `key` never posts twice on one alert")
	return c
}

// maxNote bounds what is read as a note; every product takes less.
const maxNote = 1 << 20

// noteBody gives the text, from wherever it comes, and the refs.
func noteBody(in io.Reader, text, file string, args []string) (string, []string, error) {
	if last := len(args) - 1; args[last] == "-" {
		if text != "" || file != "" {
			return "", nil, fault.Usagef("- reads the text from stdin: leave out --text and --file")
		}
		args, file = args[:last], "-"
	}
	if len(args) == 0 {
		return "", nil, fault.Usagef("on which alert? Give its REF")
	}
	if text != "" && file != "" {
		return "", nil, fault.Usagef("--text and --file exclude each other: one of them is the note")
	}
	if file != "" {
		b, err := readBounded(in, file)
		if err != nil {
			return "", nil, err
		}
		text = string(b)
	}
	if strings.TrimSpace(text) == "" {
		return "", nil, fault.Usagef("the note has no text").WithHint("give --text, --file or -")
	}
	if !utf8.ValidString(text) {
		return "", nil, fault.Usagef("the note is not UTF-8 text")
	}
	return strings.TrimRight(text, "\n"), args, nil
}

func readBounded(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fault.Usagef("--file: %v", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxNote+1))
	if err != nil {
		return nil, fault.Usagef("--file: %v", err)
	}
	if len(b) > maxNote {
		return nil, fault.Usagef("--file: %s is larger than a note may be (1 MiB)", file)
	}
	return b, nil
}

// receiptJSON is a note that was written: schema edrc.notes.added/v1.
type receiptJSON struct {
	Ref     string `json:"ref"`
	NoteID  string `json:"note_id,omitempty"`
	Key     string `json:"key"`
	Already bool   `json:"already"`
}

func runNoteAdd(cmd *cobra.Command, a *app, svc *triage.Service, out report.Options, args []string, body, key string) error {
	return addNotes(cmd, a, svc, out, args, sameText(body), key)
}

// addNotes writes a note on each alert, with a text of its own.
func addNotes(cmd *cobra.Command, a *app, svc *triage.Service, out report.Options, args []string, text noteText, key string) error {
	var errs []error
	var done []receiptJSON
	for _, arg := range args {
		ref, err := svc.Expand(cmd.Context(), arg)
		if err != nil {
			return err
		}
		body, err := text(cmd.Context(), ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r, err := svc.AddNote(cmd.Context(), ref, body, key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, receiptJSON{Ref: ref.String(), NoteID: r.NoteID, Key: r.Key, Already: r.Already})
		if out.Machine() {
			continue
		}
		what := "note posted to " + ref.String()
		if r.Already {
			what = "note is there already on " + ref.String()
		}
		if a.verbose {
			what += ", key " + r.Key
		}
		a.say("%s", what)
	}
	if out.Structured() {
		if err := report.Print(cmd.Context(), a.IO, out, report.List[receiptJSON]{Schema: "edrc.notes.added/v1", Items: done, Errors: errs}); err != nil {
			return err
		}
		return failed(errs, len(done) > 0)
	}
	report.Errors(a.IO, out.ErrorFormat(), errs)
	return failed(errs, len(done) > 0)
}

func newNoteList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list REF", Aliases: []string{"ls"}, Short: "Read the notes on an alert, oldest first",
		Example: "  edrc note list s1-prod:1698432198765432101",
		Args:    exact(1, "the REF of an alert"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, report.Names(noteColumns()), serviceOptions{})
			if err != nil {
				return err
			}
			ref, err := svc.Expand(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			notes, own, err := svc.Notes(cmd.Context(), ref)
			if err != nil {
				return err
			}
			if own && !out.Machine() {
				a.say("%s gives no notes back: these are our own copies of what edrc wrote", ref.Source)
			}
			if out.Format != "" && out.Format != report.Table || out.Structured() || len(out.Columns) > 0 {
				return report.Print(cmd.Context(), a.IO, out, report.List[alert.Note]{Schema: "edrc.notes/v1", Columns: noteColumns(), Items: notes})
			}
			return noteCards(a, notes)
		},
	}
}

// noteCards shows notes whole: they are text of several lines.
func noteCards(a *app, notes []alert.Note) error {
	if len(notes) == 0 {
		a.say("no notes")
		return nil
	}
	for i, n := range notes {
		if i > 0 {
			if _, err := fmt.Fprintln(a.IO.Out); err != nil {
				return err
			}
		}
		author := n.Author
		if author == "" {
			author = "unknown author"
		}
		err := report.Card(a.IO, author, n.ID+" · "+n.Created.UTC().Format("2006-01-02 15:04 UTC"), []report.Row{{Lines: strings.Split(n.Text, "\n"), Whole: true}})
		if err != nil {
			return err
		}
	}
	return nil
}

func noteColumns() []report.Column[alert.Note] {
	return []report.Column[alert.Note]{
		{Name: "id", Value: func(_ report.View, n alert.Note) string { return n.ID }},
		{Name: "created", Value: func(v report.View, n alert.Note) string { return when(v, n.Created) }},
		{Name: "author", Value: func(_ report.View, n alert.Note) string { return n.Author }, Shrink: 2, Min: 8},
		{Name: "text", Value: func(_ report.View, n alert.Note) string { return n.Text }, Shrink: 1, Min: 20, Flex: true},
	}
}
