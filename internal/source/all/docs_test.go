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

// tables are the words of each product as its code has them: the rows of docs/products.md.
func tables() map[string][]string {
	row := func(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |" }
	out := map[string][]string{}
	add := func(kind string, cells ...string) { out[kind] = append(out[kind], row(cells...)) }

	for _, m := range crowdstrike.Severities() {
		add(crowdstrike.Kind, "severity", m.Vendor, m.Ours)
	}
	for _, m := range crowdstrike.Statuses() {
		add(crowdstrike.Kind, "status", m.Vendor, m.Ours)
	}
	for _, m := range crowdstrike.Verdicts() {
		add(crowdstrike.Kind, "verdict", m.Vendor, m.Ours)
	}

	for capability, scope := range crowdstrike.Permissions() {
		add(crowdstrike.Kind, capability, scope)
	}

	for _, s := range defender.Severities() {
		add(defender.Kind, "severity", s.Word, s.Severity.String())
	}
	for _, s := range defender.AlertStatuses() {
		add(defender.Kind, "status of an alert", s.Word, string(s.Status))
	}
	for _, s := range defender.IncidentStatuses() {
		add(defender.Kind, "status of an incident", s.Word, string(s.Status))
	}
	for ours, v := range defender.OurVerdicts() {
		add(defender.Kind, "verdict", v.Classification+"/"+v.Determination, ours)
	}
	for capability, permission := range defender.Permissions() {
		add(defender.Kind, capability, permission)
	}

	for _, m := range carbonblack.Severities() {
		add(carbonblack.Kind, "severity", m.Vendor, m.Ours)
	}
	for _, m := range carbonblack.Statuses() {
		add(carbonblack.Kind, "status", m.Vendor, m.Ours)
	}
	for _, m := range carbonblack.Verdicts() {
		add(carbonblack.Kind, "verdict", m.Vendor, m.Ours)
	}
	for capability, permission := range carbonblack.Permissions() {
		add(carbonblack.Kind, capability, permission)
	}

	for _, m := range cortex.Severities() {
		add(cortex.Kind, "severity", m.Vendor, m.Ours)
	}
	for _, m := range cortex.Statuses() {
		add(cortex.Kind, "status", m.Vendor, m.Ours)
	}
	for _, m := range cortex.Verdicts() {
		add(cortex.Kind, "verdict", m.Vendor, m.Ours)
	}

	for capability, permission := range cortex.Permissions() {
		add(cortex.Kind, capability, permission)
	}

	for _, m := range wiz.Severities() {
		add(wiz.Kind, "severity", m.Vendor, m.Ours)
	}
	for _, m := range wiz.Statuses() {
		add(wiz.Kind, "status", m.Vendor, m.Ours)
	}
	for _, m := range wiz.Verdicts() {
		add(wiz.Kind, "verdict", m.Vendor, m.Ours)
	}
	for _, m := range wiz.Origins() {
		add(wiz.Kind, "origin", m.Vendor, m.Ours)
	}
	for capability, scope := range wiz.Permissions() {
		add(wiz.Kind, capability, scope)
	}

	for _, s := range guardduty.Severities() {
		add(guardduty.Kind, "severity", fmt.Sprint("from ", s.From), s.Severity.String())
	}
	for vendor, ours := range map[string]alert.Status{"not archived": alert.StatusNew, "archived": alert.StatusResolved} {
		add(guardduty.Kind, "status", vendor, string(ours))
	}
	add(guardduty.Kind, "verdict", "USEFUL", "true_positive")
	add(guardduty.Kind, "verdict", "NOT_USEFUL", "false_positive")
	add(guardduty.Kind, "verdict", "NOT_USEFUL", "benign")
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
