package world

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestACommandSaysWhatCannotBeRead(t *testing.T) {
	type command struct {
		Time Span `json:"time"`
	}
	for body, want := range map[string]time.Duration{"": 0, "{}": 0, `{"time":""}`: 0, `{"time":"2s"}`: 2 * time.Second} {
		var c command
		if err := Decode("fetch", []byte(body), &c); err != nil || c.Time.Duration != want {
			t.Errorf("%s: %s, %v", body, c.Time, err)
		}
	}
	for _, body := range []string{`{"time":"soon"}`, `{"time":2}`, `{`} {
		if err := Decode("fetch", []byte(body), &command{}); err == nil || !strings.HasPrefix(err.Error(), "fetch: ") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheMachinesOfTheWorldDiffer(t *testing.T) {
	systems, names, offline := map[string]int{}, []string{}, 0
	for _, m := range Machines() {
		systems[m.OS]++
		names = append(names, m.Name)
		if m.Offline {
			offline++
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 20 || systems["linux"] != 4 || systems["mac"] != 2 || systems["windows"] != 14 || offline != 2 {
		t.Errorf("%d machines, %v, %d offline", len(names), systems, offline)
	}
}
