package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

func TestOnlyAPlainRefusalIsARefusedNote(t *testing.T) {
	for status, want := range map[int]NoteOutcome{
		0: NoteNotSent, 301: NoteNotSent, 308: NoteNotSent, 401: NoteNotSent, 429: NoteNotSent,
		400: NoteRefused, 403: NoteRefused, 404: NoteRefused, 410: NoteRefused, 413: NoteRefused,
		408: NoteUnknown, 409: NoteUnknown, 500: NoteUnknown, 502: NoteUnknown, 503: NoteUnknown, 200: NoteUnknown, 201: NoteUnknown,
	} {
		err := fmt.Errorf("wrapped: %w", &fault.Error{Kind: fault.Invalid, Status: status})
		if got := NoteOutcomeOf(err); got != want {
			t.Errorf("status %d: %s, want %s", status, got, want)
		}
	}
}

func TestTheKindOfAnErrorGoesBeforeItsStatus(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want NoteOutcome
	}{
		{errors.New("not ours"), NoteUnknown},
		{context.Canceled, NoteUnknown},
		{&fault.Error{Kind: fault.InDoubt}, NoteUnknown},
		{&fault.Error{Kind: fault.InDoubt, Status: 400}, NoteUnknown},
		{&fault.Error{Kind: fault.Auth, Status: 403}, NoteNotSent},
		{&fault.Error{Kind: fault.RateLimited, Status: 200}, NoteNotSent}, // GraphQL
	} {
		if got := NoteOutcomeOf(tc.err); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestANoteIsCheckedBeforeItIsSent(t *testing.T) {
	traits := Traits{NoteMax: 5, NoteBulk: 2}
	a, b, c := alert.Handle{ID: "a"}, alert.Handle{Note: "b"}, alert.Handle{ID: "c"}
	for name, tc := range map[string]struct {
		text string
		to   []alert.Handle
		want string // in the error
	}{
		"fits":            {"ünfñf", []alert.Handle{a, b}, ""},
		"no alert":        {"text", nil, "no alert"},
		"an empty handle": {"text", []alert.Handle{a, {}}, "no alert"},
		"too many":        {"text", []alert.Handle{a, b, c}, "3 alerts in one request; the most is 2"},
		"empty":           {"", []alert.Handle{a}, "1 to 5 characters"},
		"blank":           {" \n", []alert.Handle{a}, "1 to 5 characters"},
		"too long":        {"sechs!", []alert.Handle{a}, "this one 6"},
	} {
		err := CheckNote(traits, tc.text, tc.to)
		if (err == nil) != (tc.want == "") || err != nil && (!fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachHandleHasAResultInOrder(t *testing.T) {
	to := []alert.Handle{{ID: "b"}, {ID: "a"}, {ID: "b"}}
	why := errors.New("why")
	got := NoteResults(to, NoteRefused, why)
	if len(got) != 3 {
		t.Fatalf("%d results", len(got))
	}
	for i, r := range got {
		if r.Handle.ID != to[i].ID || r.Outcome != NoteRefused || r.Err != why {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if ids := Distinct(append(to, alert.Handle{}), func(h alert.Handle) string { return h.ID }); !slices.Equal(ids, []string{"b", "a"}) {
		t.Errorf("distinct: %q", ids)
	}
}
