package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheReadmesMatrixIsWhatTheProductsCanDo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{} // the cells of a product
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) == 7 {
			rows[cells[0]] = cells[1:]
		}
	}
	names := map[string]string{"sentinelone": "SentinelOne", "crowdstrike": "CrowdStrike Falcon", "defender": "Microsoft Defender",
		"carbonblack": "Carbon Black Cloud", "cortex": "Cortex XDR", "guardduty": "Amazon GuardDuty", "wiz": "Wiz"}
	var doc struct {
		Items []struct {
			Kind string
			Can  map[string]bool
		}
	}
	if err := json.Unmarshal([]byte(productWorld(t, "all").must("sources", "-o", "json").out), &doc); err != nil || len(doc.Items) != len(names) {
		t.Fatalf("%d sources, %v", len(doc.Items), err)
	}
	for _, s := range doc.Items {
		cells := rows[names[s.Kind]]
		if cells == nil {
			t.Errorf("the README has no row for %s", s.Kind)
			continue
		}
		said := append([]string{cells[0], cells[1]}, strings.Split(cells[2], ", ")...)
		said = append(said, cells[3:]...)
		for i, what := range []string{"sync", "incidents", "note add", "note list", "note remove", "resolve", "fetch", "isolate"} {
			if i >= len(said) || (said[i] == "yes") != s.Can[what] {
				t.Errorf("%s, %s: the README says %q, the code %v", s.Kind, what, said, s.Can[what])
			}
		}
	}
}
