package aws

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"edrc/internal/respond"
)

// oneOrMore takes both forms that IAM allows.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

type documented struct {
	Version   string
	Statement []struct {
		Effect           string
		Action, Resource oneOrMore
	}
}

// policyOf gives the policy of docs/response.md that follows the words of a verb.
func policyOf(t *testing.T, page, begins string) documented {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n"+begins)
	if !ok {
		t.Fatalf("docs/response.md has no policy for %q", begins)
	}
	_, after, _ = strings.Cut(after, "```json\n")
	text, _, _ := strings.Cut(after, "```")
	var p documented
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Version != "2012-10-17" {
		t.Fatalf("%s: %v", begins, err)
	}
	return p
}

// TestThePoliciesInTheDocumentAreExactlyWhatIsCalled: each verb's is whole, and allows
// nothing that is not called. What changes something never stands beside what reads.
func TestThePoliciesInTheDocumentAreExactlyWhatIsCalled(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "response.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, page, ok := strings.Cut(string(b), "\n## Least privilege\n")
	if !ok {
		t.Fatal("docs/response.md has no section about least privilege")
	}
	for _, v := range Verbs() {
		read, write := Actions(v)
		var allowed []string
		for _, s := range policyOf(t, page, string(v)+", and its undo").Statement {
			if s.Effect == "Allow" {
				allowed = append(allowed, s.Action...)
			}
			changes := slices.ContainsFunc(s.Action, func(a string) bool { return slices.Contains(write, a) })
			if changes && slices.ContainsFunc(s.Action, func(a string) bool { return slices.Contains(read, a) }) {
				t.Errorf("%s: a statement has what reads and what changes: %v", v, s.Action)
			}
			if len(s.Resource) == 0 {
				t.Errorf("%s: a statement without resources: %v", v, s.Action)
			}
		}
		got, want := distinct(allowed), distinct(slices.Concat(read, write))
		if !slices.Equal(got, want) {
			t.Errorf("%s: the document allows %v\nand it calls %v", v, got, want)
		}
	}
	role := policyOf(t, page, string(respond.IsolateRole)+", and its undo")
	for _, s := range role.Statement {
		if s.Effect == "Allow" && slices.Contains(s.Action, "iam:PutRolePolicy") && slices.Contains(s.Resource, "*") {
			t.Error("iam:PutRolePolicy on everything is as good as administrator rights")
		}
	}
}

// distinct sorts, and leaves repetitions out.
func distinct(list []string) []string { return slices.Compact(sorted(list)) }

// TestEveryCallIsOnTheListOfSomeVerb holds the lists against the functions that exist.
func TestEveryCallIsOnTheListOfSomeVerb(t *testing.T) {
	var listed, called []string
	for _, v := range Verbs() {
		read, write := Actions(v)
		listed = append(listed, slices.Concat(read, write)...)
	}
	for service, calls := range map[string]reflect.Type{"ec2": reflect.TypeFor[ec2Calls](), "iam": reflect.TypeFor[iamCalls](),
		"autoscaling": reflect.TypeFor[asgCalls](), "elasticloadbalancing": reflect.TypeFor[elbCalls]()} {
		for i := range calls.NumField() {
			input := calls.Field(i).Type.In(1).Elem().Name() // *StopInstancesInput
			called = append(called, service+":"+strings.TrimSuffix(input, "Input"))
		}
	}
	if got, want := distinct(called), distinct(listed); !slices.Equal(got, want) {
		t.Errorf("called are %v\nlisted are %v", got, want)
	}
}
