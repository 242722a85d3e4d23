package config

import "strings"

// nearest gives the known name that s was probably meant to be, or "". One slip
// is forgiven in a short name, two in a longer one; a prefix of three letters
// or more counts, as do other case and dashes for underscores.
func nearest(s string, known []string) string {
	folded := fold(s)
	best, bestDist := "", 1<<30
	for _, k := range known {
		d := distance(folded, fold(k))
		slips := 1
		if min(len(folded), len(k)) >= 5 {
			slips = 2
		}
		prefix := len(folded) >= 3 && strings.HasPrefix(fold(k), folded)
		if (d <= slips && d < len(k) || prefix) && d < bestDist {
			best, bestDist = k, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the slips between a and b: a letter too many, one missing, one
// wrong, or two neighbours exchanged. Names beyond 64 bytes are never near.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 20
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
