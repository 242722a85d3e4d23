package all

import (
	"testing"

	"edrc/internal/source"
)

func TestEveryProductHasAKindANameAndOptionsOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Products() {
		if p.Kind == "" || p.Name == "" || seen[p.Kind] {
			t.Errorf("%+v", p)
		}
		seen[p.Kind] = true
		if a, b := p.Options(), p.Options(); a == b {
			t.Errorf("%s: two sources would share their options", p.Kind)
		}
		if _, err := p.New("x", new(struct{}), Env{}); err == nil {
			t.Errorf("%s took the options of another product", p.Kind)
		}
	}
}

func TestGuardDutyLooksIntoItsOwnCopies(t *testing.T) {
	for _, p := range Products() {
		if p.Kind != "guardduty" {
			continue
		}
		s, err := p.New("aws", p.Options(), Env{StateDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.(source.NoteCopier); !ok {
			t.Error("it gives no copies")
		}
		if _, ok := s.(source.NoteReader); ok {
			t.Error("it says that it reads notes")
		}
		return
	}
	t.Error("there is no GuardDuty")
}
