package cli_test

import (
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"edrc/internal/lab"
)

// harmful reports a rune that a terminal would obey or that would make text look
// like other text.
func harmful(r rune) bool {
	return r == utf8.RuneError || r < 0x20 && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r != 0x200d && unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029
}

func TestHostileNamesAreHarmlessInEveryFormat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 120, Files: 30})
	w.must("sync")
	ref := strings.TrimSpace(w.must("alerts", "list", "--since", "30d", "--jq", ".items[0].ref").out)
	var refs []string
	for line := range strings.Lines(w.must("alerts", "list", "--since", "30d", "--all", "--jq", ".items[].ref").out) {
		refs = append(refs, strings.TrimSpace(line))
	}
	commands := [][]string{
		{"alerts", "list", "--since", "30d", "--all"}, append([]string{"scan", "alert", "--no-wait"}, refs...),
		{"note", "list", ref}, {"sources"}, {"sources", "check"}, {"quarantine", "list"},
	}
	for _, command := range commands {
		for _, format := range []string{"table", "wide", "json", "ndjson", "yaml", "csv", "md"} {
			args := append(append([]string{}, command...), "-o", format)
			r := w.must(args...)
			if i := strings.IndexFunc(r.out+r.errout, harmful); i >= 0 {
				t.Errorf("edrc %s -o %s prints %q", strings.Join(command[:2], " "), format, (r.out + r.errout)[max(0, i-20):i+10])
			}
			if format == "csv" {
				guarded(t, r.out)
			}
		}
	}
	for _, args := range [][]string{
		append([]string{"alerts", "get"}, refs[:40]...), append([]string{"alerts", "get", "-o", "yaml"}, refs[:40]...),
		{"__complete", "alerts", "get", ""}, {"alerts", "list", "--since", "30d", "--all", "--jq", ".items[].title"},
		{"alerts", "list", "--since", "30d", "--all", "--template", "{{range .items}}{{.title}}{{\"\\n\"}}{{end}}"},
	} {
		r := w.must(args...)
		if i := strings.IndexFunc(strings.ReplaceAll(r.out, "\t", " "), harmful); i >= 0 {
			t.Errorf("edrc %v prints %q", args[:2], r.out[max(0, i-20):i+10])
		}
	}
}

// guarded checks that no cell is a formula for a spreadsheet.
func guarded(t *testing.T, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "@") || strings.HasPrefix(cell, "-") && len(cell) > 1 {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
}

func TestATerminalIsNeverOverrun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 60, Files: 30})
	w.must("sync")
	for _, width := range []int{140, 100, 80, 60, 40} {
		for _, args := range [][]string{{"alerts", "list", "--since", "30d"}, {"alerts", "list", "--since", "30d", "-o", "wide"}, {"sources"}, {"sources", "check"}} {
			r := w.onTerminal(width, append(args, "--color", "never")...)
			for line := range strings.Lines(r.out) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%v at %d has a line of %d: %s", args, width, n, line)
				}
			}
		}
	}
	// A person reads short refs, ages and reasons; a pipe gets all of it.
	list := w.onTerminal(120, "alerts", "list", "--since", "30d", "--color", "never").out
	if !regexp.MustCompile(`(?m)^s1-lab:…\d+ +(critical|high) +\d+[smhd] `).MatchString(list) || strings.Contains(list, "the engine does not hold it") {
		t.Errorf("the list for the eye:\n%s", list)
	}
	short := regexp.MustCompile(`s1-lab:…\d+`).FindString(list)
	if card := w.onTerminal(80, "alerts", "get", short, "--color", "never"); card.code != 0 || !strings.Contains(card.out, "  next ") {
		t.Errorf("a short ref: exit %d\n%s%s", card.code, card.out, card.errout)
	}
}

func TestNoSecretIsEverShownOrKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 20, Files: 10})
	cfg := string(w.lab.Config())
	secrets := []string{regexp.MustCompile(`token: "([^"]+)"`).FindStringSubmatch(cfg)[1], regexp.MustCompile(`api_key: "([^"]+)"`).FindStringSubmatch(cfg)[1]}
	var said strings.Builder
	run := func(args ...string) {
		r := w.run(append(args, "--trace", "-v")...)
		said.WriteString(r.out + r.errout)
	}
	all := func() {
		run("sync", "-o", "json")
		run("sources", "check", "-o", "json")
		run("alerts", "list", "--since", "30d", "-o", "json")
		run("quota")
		run("scan", "hash", "44d88612fea8a8f36de82e1278abb02f", "--no-wait")
		run("config", "check")
	}
	all()
	accessed := 0
	_ = filepath.WalkDir(filepath.Join(w.dir, "state", "tokens"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		for _, m := range regexp.MustCompile(`"token":"([^"]+)"`).FindAllStringSubmatch(string(b), -1) {
			secrets = append(secrets, m[1])
			accessed++
		}
		return err
	})
	if accessed == 0 {
		t.Error("no access token was found to look for: the test proves less than it says")
	}
	for _, source := range []string{"s1-lab", "intezer"} {
		if err := w.control("token", `{"source":"`+source+`","valid":false}`); err != nil {
			t.Fatal(err)
		}
	}
	w.env["EDRC_SYNC_WAIT"] = "0s"
	all()
	// A secret in the wrong place of the file is not repeated either.
	for _, broken := range []string{strings.Replace(cfg, "token:", "tokn:", 1), strings.Replace(cfg, "url:", secrets[0]+":", 1), strings.Replace(cfg, "kind: sentinelone", "kind: "+secrets[0], 1), "sources: {s1: {kind: sentinelone, url: \"" + secrets[1] + "\"}}"} {
		w.write(w.config, []byte(broken), 0o600)
		run("config", "check")
		run("alerts", "list", "-o", "json")
	}
	if !strings.Contains(said.String(), "GET ") {
		t.Error("nothing was traced")
	}
	for _, secret := range secrets {
		if i := strings.Index(said.String(), secret); i >= 0 {
			t.Errorf("a secret is printed: %s", said.String()[max(0, i-200):i])
		}
	}
	_ = filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == w.config || strings.Contains(path, "tokens") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, secret := range secrets {
			if strings.Contains(string(b), secret) {
				t.Errorf("a secret stands in %s", path)
			}
		}
		return err
	})
}

func TestAStoreOfANewerEdrcIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 3, Files: 3})
	w.must("sync")
	path := filepath.Join(w.dir, "store.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			if b.Get([]byte("schema")) == nil {
				return nil
			}
			return b.Put([]byte("schema"), []byte("99.0"))
		})
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	for _, command := range []string{"sync", "quota"} {
		if r := w.run(command); r.code != 2 || r.out != "" || !strings.Contains(r.errout, "newer edrc") || strings.Count(r.errout, "\n") > 3 {
			t.Errorf("%s: exit %d\n%s%s", command, r.code, r.out, r.errout)
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the store was touched")
	}
}
