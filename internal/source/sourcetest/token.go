package sourcetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// checkToken: a credential that is revoked in mid-run is said to be, with a way out.
func checkToken(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	f := capability[source.Feeder](t, s)
	v.Add(t, h.Page+10, time.Hour, false)
	st := stream(t, f)
	p, err := f.Page(context.Background(), st, wide(source.Created, st.Now), "")
	if err != nil || p.Next == "" {
		t.Fatalf("first page: next %q, %v", p.Next, err)
	}
	v.Revoke(t)
	_, err = f.Page(context.Background(), st, wide(source.Created, st.Now), p.Next)
	if !fault.Is(err, fault.Auth) || errors.Is(err, source.ErrToken) {
		t.Errorf("second page: %v, want auth", err)
	}
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Hint == "" || !strings.Contains(e.Hint+e.Source, s.Name()) {
		t.Errorf("the hint does not say what to do: %+v", e)
	}
	for _, r := range reads(s, p.Alerts[0].Handle, st.Now) {
		if err := r.do(context.Background()); !fault.Is(err, fault.Auth) {
			t.Errorf("%s: %v, want auth", r.name, err)
		}
	}
	if n, ok := s.(source.Noter); ok {
		rs, err := n.AddNote(context.Background(), "refused", p.Alerts[0].Handle)
		if err != nil || rs[0].Outcome != source.NoteNotSent || !fault.Is(rs[0].Err, fault.Auth) {
			t.Errorf("a note: %+v, %v", rs, err)
		}
	}
}

// checkTokenEnd: an access token that ends in mid-run is renewed; nothing is lost, and a
// note that met its end is written once.
func checkTokenEnd(t *testing.T, h Harness) {
	v, ok := h.New(t).(TokenVendor)
	if !ok {
		t.Skip("the product has no access tokens that end")
	}
	s := v.Source(t, patience)
	f := capability[source.Feeder](t, s)
	want := v.Add(t, h.Page+h.Page/2, time.Hour, false)
	st := stream(t, f)
	var got []alert.Alert
	for token, more := "", true; more; {
		p, err := f.Page(context.Background(), st, wide(source.Created, st.Now), token)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Alerts...)
		token, more = p.Next, p.Next != ""
		v.EndToken(t)
	}
	same(t, "all alerts", ids(got), want)
	if n, ok := s.(source.Noter); ok {
		v.EndToken(t)
		for _, a := range got {
			if a.Note != "" {
				add(t, n, "once", a.Handle)
				if notes := v.Notes(t, a.ID); len(notes) != 1 {
					t.Errorf("the alert has %d notes", len(notes))
				}
				break
			}
		}
	}
}
