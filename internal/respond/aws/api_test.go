package aws

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/fault"
)

// asInterface are the parts of the SDK that take a client as an interface.
var asInterface = regexp.MustCompile(`^New\w+(Paginator|Waiter)$`)

// TestNoServiceClientIsHeld: a client in a field, or one that became an interface, keeps
// all of its methods in the binary: EC2's alone make it twice as large.
func TestNoServiceClientIsHeld(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		services := servicesOf(f)
		if len(services) == 0 {
			return nil
		}
		files++
		ast.Inspect(f, func(n ast.Node) bool {
			if why := holds(n, services); why != "" {
				t.Errorf("%s: %s", set.Position(n.Pos()), why)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files with services of the SDK were looked at", files)
	}
}

// servicesOf gives the names by which a file calls the SDK's services.
func servicesOf(f *ast.File) (out []string) {
	for _, i := range f.Imports {
		_, name, ok := strings.Cut(strings.Trim(i.Path.Value, `"`), "/aws-sdk-go-v2/service/")
		if !ok || strings.HasSuffix(name, "/types") {
			continue
		}
		if i.Name != nil {
			name = i.Name.Name
		}
		out = append(out, name)
	}
	return out
}

func holds(n ast.Node, services []string) string {
	switch n := n.(type) {
	case *ast.StructType:
		for _, f := range n.Fields.List {
			typ := f.Type
			if p, ok := typ.(*ast.StarExpr); ok {
				typ = p.X
			}
			if sel, ok := typ.(*ast.SelectorExpr); ok && sel.Sel.Name == "Client" && inService(sel, services) {
				return "a service client is a field: hold functions"
			}
		}
	case *ast.SelectorExpr:
		if inService(n, services) && asInterface.MatchString(n.Sel.Name) {
			return n.Sel.Name + " makes an interface of a client: read the pages yourself"
		}
	}
	return ""
}

func inService(s *ast.SelectorExpr, services []string) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && slices.Contains(services, x.Name)
}

// lists gives the op that answers with one page after the other, by their tokens.
func lists(asked *[]string, pages map[string]*iam.ListRolePoliciesOutput) iamOp[iam.ListRolePoliciesInput, iam.ListRolePoliciesOutput] {
	return func(_ context.Context, in *iam.ListRolePoliciesInput, _ ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error) {
		*asked = append(*asked, aws.ToString(in.Marker))
		out := pages[aws.ToString(in.Marker)]
		if out == nil {
			return nil, errors.New("no such page")
		}
		return out, nil
	}
}

func TestAListIsReadToItsEndAndNeverRoundInACircle(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		page := func(name, next string) *iam.ListRolePoliciesOutput {
			return &iam.ListRolePoliciesOutput{PolicyNames: []string{name}, Marker: &next}
		}
		s := &session{d: on.driver, account: on.account, region: "us-east-1"}
		for name, tc := range map[string]struct {
			pages map[string]*iam.ListRolePoliciesOutput
			want  string
			words string // of the error
		}{
			"three pages":     {map[string]*iam.ListRolePoliciesOutput{"": page("a", "2"), "2": page("b", "3"), "3": page("c", "")}, "a b c", ""},
			"an empty page":   {map[string]*iam.ListRolePoliciesOutput{"": {Marker: aws.String("2")}, "2": page("b", "")}, "b", ""},
			"a failing page":  {map[string]*iam.ListRolePoliciesOutput{"": page("a", "2")}, "a", "no such page"},
			"the same again":  {map[string]*iam.ListRolePoliciesOutput{"": page("a", "2"), "2": page("b", "2")}, "a b", "repeats the token"},
			"one page, alone": {map[string]*iam.ListRolePoliciesOutput{"": {PolicyNames: []string{"a"}}}, "a", ""},
		} {
			var asked, got []string
			var failed error
			in := &iam.ListRolePoliciesInput{}
			for out, err := range pages(t.Context(), s, lists(&asked, tc.pages), in, &in.Marker, func(o *iam.ListRolePoliciesOutput) *string { return o.Marker }) {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, out.PolicyNames...)
			}
			if strings.Join(got, " ") != tc.want || (failed == nil) != (tc.words == "") {
				t.Errorf("%s: %v, %v; asked %v", name, got, failed, asked)
			}
			if failed != nil {
				wantKind(t, failed, fault.Unavailable, tc.words)
			}
		}
		var asked []string
		in := &iam.ListRolePoliciesInput{}
		for range pages(t.Context(), s, lists(&asked, map[string]*iam.ListRolePoliciesOutput{"": page("a", "2")}), in, &in.Marker,
			func(o *iam.ListRolePoliciesOutput) *string { return o.Marker }) {
			break
		}
		if len(asked) != 1 {
			t.Errorf("who stops early asked for %v", asked)
		}
	})
}
