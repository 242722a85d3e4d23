package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("outer: %w", New(Auth, "the token was refused"))
	if got := KindOf(err); got != Auth {
		t.Fatalf("KindOf = %q, want %q", got, Auth)
	}
	if got := KindOf(context.Canceled); got != Interrupted {
		t.Fatalf("a cancelled context is %q, want %q", got, Interrupted)
	}
}

func TestAtFillsOnlyWhatIsEmpty(t *testing.T) {
	inner := &Error{Kind: NotFound, Op: "get threat", Msg: "no such threat"}
	err := At(inner, "s1", "list threats")
	if got, want := err.Error(), "s1: get threat: no such threat"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if inner.Source != "" {
		t.Fatal("At changed its argument")
	}
	if At(nil, "s1", "x") != nil {
		t.Fatal("At(nil) is not nil")
	}
}

func TestExitCodeOfSeveralFailures(t *testing.T) {
	auth, quota := New(Auth, "a"), New(Quota, "q")
	for _, tc := range []struct {
		name string
		errs []error
		ok   bool
		want int
	}{
		{"nothing failed", nil, true, ExitOK},
		{"one of two sources failed", []error{auth}, true, ExitPartial},
		{"all failed: auth is told before quota", []error{quota, auth}, false, ExitAuth},
		{"interruption wins over partial", []error{auth, context.Canceled}, true, ExitInterrupted},
		{"unclassified", []error{errors.New("x")}, false, ExitFailure},
		{"a partial failure alone", []error{New(Partial, "p")}, false, ExitPartial},
	} {
		if got := ExitCodeOf(tc.errs, tc.ok); got != tc.want {
			t.Errorf("%s: exit %d, want %d", tc.name, got, tc.want)
		}
	}
}
