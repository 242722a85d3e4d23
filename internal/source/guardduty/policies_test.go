package guardduty

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestThePoliciesInTheDocumentAreExactlyWhatIsCalled: the first one reads, the second one
// has what changes a finding.
func TestThePoliciesInTheDocumentAreExactlyWhatIsCalled(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "products.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "(`kind: guardduty`)\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "```json\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("%d policies", len(blocks))
	}
	var documented [2][]string
	for i, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		var policy struct {
			Statement []struct {
				Effect string
				Action []string
			}
		}
		if err := json.Unmarshal([]byte(text), &policy); err != nil || len(policy.Statement) != 1 || policy.Statement[0].Effect != "Allow" {
			t.Fatalf("policy %d: %+v %v", i+1, policy, err)
		}
		documented[i] = slices.Sorted(slices.Values(policy.Statement[0].Action))
	}
	var called [2][]string
	ops := reflect.TypeFor[calls]()
	for i := range ops.NumField() {
		op := strings.TrimSuffix(ops.Field(i).Type.In(1).Elem().Name(), "Input")
		kind := 1
		if strings.HasPrefix(op, "List") || strings.HasPrefix(op, "Get") {
			kind = 0
		}
		called[kind] = append(called[kind], "guardduty:"+op)
	}
	for i := range called {
		slices.Sort(called[i])
		if !slices.Equal(called[i], documented[i]) {
			t.Errorf("policy %d allows %v\nand called are %v", i+1, documented[i], called[i])
		}
	}
}
