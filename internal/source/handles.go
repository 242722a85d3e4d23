package source

import "edrc/internal/alert"

// Distinct are the ids that id gives of handles, each once, in order. A handle of which it
// gives "" has none.
func Distinct(hs []alert.Handle, id func(alert.Handle) string) []string {
	seen := map[string]bool{"": true}
	var ids []string
	for _, h := range hs {
		if i := id(h); !seen[i] {
			seen[i] = true
			ids = append(ids, i)
		}
	}
	return ids
}
