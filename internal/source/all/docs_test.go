package all

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source/carbonblack"
	"edrc/internal/source/cortex"
	"edrc/internal/source/crowdstrike"
	"edrc/internal/source/defender"
	"edrc/internal/source/guardduty"
	"edrc/internal/source/wiz"
)

// rows are those of docs/products.md, by the kind of product.
type rows map[string][]string

func (r rows) add(kind string, cells ...string) {
	r[kind] = append(r[kind], "| "+strings.Join(cells, " | ")+" |")
}

func (r rows) permissions(kind string, byCapability map[string]string) {
	for capability, permission := range byCapability {
		r.add(kind, capability, permission)
	}
}

// words adds one of a product's tables: the vendor's word and ours.
func words[M ~struct{ Vendor, Ours string }](r rows, kind, what string, ms []M) {
	for _, m := range ms {
		w := struct{ Vendor, Ours string }(m)
		r.add(kind, what, w.Vendor, w.Ours)
	}
}

// tables are the words of each product as its code has them.
func tables() rows {
	out := rows{}
	words(out, crowdstrike.Kind, "severity", crowdstrike.Severities())
	words(out, crowdstrike.Kind, "status", crowdstrike.Statuses())
	words(out, crowdstrike.Kind, "verdict", crowdstrike.Verdicts())
	out.permissions(crowdstrike.Kind, crowdstrike.Permissions())

	for _, s := range defender.Severities() {
		out.add(defender.Kind, "severity", s.Word, s.Severity.String())
	}
	for _, s := range defender.AlertStatuses() {
		out.add(defender.Kind, "status of an alert", s.Word, string(s.Status))
	}
	for _, s := range defender.IncidentStatuses() {
		out.add(defender.Kind, "status of an incident", s.Word, string(s.Status))
	}
	for ours, v := range defender.OurVerdicts() {
		out.add(defender.Kind, "verdict", v.Classification+"/"+v.Determination, ours)
	}
	out.permissions(defender.Kind, defender.Permissions())

	words(out, carbonblack.Kind, "severity", carbonblack.Severities())
	words(out, carbonblack.Kind, "status", carbonblack.Statuses())
	words(out, carbonblack.Kind, "verdict", carbonblack.Verdicts())
	out.permissions(carbonblack.Kind, carbonblack.Permissions())

	words(out, cortex.Kind, "severity", cortex.Severities())
	words(out, cortex.Kind, "status", cortex.Statuses())
	words(out, cortex.Kind, "verdict", cortex.Verdicts())
	out.permissions(cortex.Kind, cortex.Permissions())

	words(out, wiz.Kind, "severity", wiz.Severities())
	words(out, wiz.Kind, "status", wiz.Statuses())
	words(out, wiz.Kind, "verdict", wiz.Verdicts())
	words(out, wiz.Kind, "origin", wiz.Origins())
	out.permissions(wiz.Kind, wiz.Permissions())

	for _, s := range guardduty.Severities() {
		out.add(guardduty.Kind, "severity", fmt.Sprint("from ", s.From), s.Severity.String())
	}
	for vendor, ours := range map[string]alert.Status{"not archived": alert.StatusNew, "archived": alert.StatusResolved} {
		out.add(guardduty.Kind, "status", vendor, string(ours))
	}
	out.add(guardduty.Kind, "verdict", "USEFUL", "true_positive")
	out.add(guardduty.Kind, "verdict", "NOT_USEFUL", "false_positive")
	out.add(guardduty.Kind, "verdict", "NOT_USEFUL", "benign")
	return out
}

// section gives the part of docs/products.md about a kind.
func section(t *testing.T, kind string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "products.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), "\n## ") {
		if head, rest, _ := strings.Cut(part, "\n"); strings.Contains(head, "`kind: "+kind+"`") {
			return rest
		}
	}
	t.Errorf("docs/products.md has no section for kind: %s", kind)
	return ""
}

func TestEveryProductIsInTheDocument(t *testing.T) {
	for _, p := range Products() {
		if section(t, p.Kind) == "" {
			t.Errorf("the section of %s is empty", p.Kind)
		}
	}
}

func TestTheTablesOfTheDocumentAreThoseOfTheCode(t *testing.T) {
	for kind, want := range tables() {
		var got []string
		counts := false
		for line := range strings.Lines(section(t, kind)) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "| field | ") || strings.HasPrefix(line, "| capability | "):
				counts = true
			case !strings.HasPrefix(line, "|"):
				counts = false
			case counts && !strings.HasPrefix(line, "|---"):
				got = append(got, line)
			}
		}
		for _, row := range want {
			if !slices.Contains(got, row) {
				t.Errorf("%s: docs/products.md has no row %s", kind, row)
			}
		}
		for _, row := range got {
			if !slices.Contains(want, row) {
				t.Errorf("%s: the code knows nothing of %s", kind, row)
			}
		}
	}
}

func TestEveryCapabilityOfAPermissionHasItsCommands(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "products.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "\n## Permissions\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var named []string
	for line := range strings.Lines(part) {
		if cells := strings.Split(line, " | "); len(cells) == 2 {
			named = append(named, strings.FieldsFunc(strings.Trim(cells[1], "| \n"), func(r rune) bool { return r == ',' || r == ';' })...)
		}
	}
	for i, word := range named {
		named[i] = strings.TrimSpace(word)
	}
	for kind, permissions := range map[string]map[string]string{
		crowdstrike.Kind: crowdstrike.Permissions(), defender.Kind: defender.Permissions(), carbonblack.Kind: carbonblack.Permissions(), cortex.Kind: cortex.Permissions(),
		wiz.Kind: wiz.Permissions(),
	} {
		for capability := range permissions {
			if !slices.Contains(named, capability) {
				t.Errorf("%s: no command needs %q", kind, capability)
			}
		}
	}
}
