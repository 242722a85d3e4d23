package report

import "strings"

// Nearest gives the word of a list that was probably meant: the first that word
// is the beginning of, else the one at most two typing errors away; "" when
// there is none. Case does not matter.
func Nearest(word string, of []string) string {
	w := strings.ToLower(strings.TrimSpace(word))
	if w == "" {
		return ""
	}
	for _, candidate := range of {
		if strings.HasPrefix(strings.ToLower(candidate), w) {
			return candidate
		}
	}
	nearest, least := "", 3
	for _, candidate := range of {
		d := distance([]rune(w), []rune(strings.ToLower(candidate)))
		// Two errors in a word of two letters are another word.
		if d < least && d < len([]rune(w)) {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b []rune) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3 // too far to be of interest, and words may be long
	}
	var before []int
	last, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}
