//go:build linux

package crash

import (
	"maps"
	"testing"
	"time"
)

// TestAFileIsTakenFromAnEndpointThatIsOnline: two endpoints have it, and the one of
// the newer alert, which is asked first, is offline.
func TestAFileIsTakenFromAnEndpointThatIsOnline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fetchOptions(), settings{retry: time.Minute, wait: slow * 300 * time.Millisecond})
	file := w.filesHeld("nothing")[0]
	ids := w.onTwoEndpoints(file.Index)
	w.endpoint(ids[1], false)
	want := w.truth()
	w.untilSettled(1)
	w.holds(want, map[string]int{file.SHA256: 1}, "at the end")
	if got := w.lab.State().Sources["s1-lab"].FetchesByThreat; !maps.Equal(got, map[string]int{ids[0]: 1}) {
		t.Errorf("asked %v, want %s once", got, ids[0])
	}
}

// TestOfTwoEndpointsThatAreOfflineTheOneThatComesBackIsAsked, whichever it is.
func TestOfTwoEndpointsThatAreOfflineTheOneThatComesBackIsAsked(t *testing.T) {
	t.Parallel()
	for _, back := range []int{0, 1} {
		w := newWorld(t, fetchOptions(), settings{retry: time.Minute, wait: slow * 300 * time.Millisecond})
		file := w.filesHeld("nothing")[0]
		ids := w.onTwoEndpoints(file.Index)
		w.endpoint(ids[0], false)
		w.endpoint(ids[1], false)
		for range 2 {
			if r := w.untilSettled(1); !maps.Equal(r.summary.Waiting, map[string]int{"endpoint offline": 1}) {
				t.Errorf("%v wait", r.summary.Waiting)
			}
		}
		w.endpoint(ids[back], true)
		want := w.truth()
		for range 4 { // the pauses between two looks have grown
			w.later(soon)
			w.sync()
		}
		w.untilSettled(1)
		w.holds(want, map[string]int{file.SHA256: 1}, "at the end")
		if got := w.lab.State().Sources["s1-lab"].FetchesByThreat; !maps.Equal(got, map[string]int{ids[back]: 1}) {
			t.Errorf("asked %v, want %s once", got, ids[back])
		}
	}
}

// onTwoEndpoints adds two alerts about a file on two endpoints, the older one first.
func (w *world) onTwoEndpoints(file int) []string {
	w.Helper()
	var ids []string
	hosts := map[string]bool{}
	for _, age := range []string{"20m", "10m"} {
		for {
			id := w.addAlerts(map[string]any{"file": file, "age": age})[0]
			var out struct{ Host string }
			w.control("agent", map[string]any{"threat": id, "online": true}, &out)
			if !hosts[out.Host] {
				hosts[out.Host] = true
				ids = append(ids, id)
				break
			}
			w.control("purge", map[string]any{"ids": []string{id}}, nil)
		}
	}
	return ids
}
