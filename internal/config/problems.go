package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"edrc/internal/fault"
)

// problem is one mistake in the file. Line 0 is the file as a whole.
type problem struct {
	line       int
	text, hint string
}

// problems collects the mistakes of one file, so that a user mends them in one go.
type problems struct {
	file string
	list []problem
}

// maxShown bounds how many mistakes one error tells; the rest is counted.
const maxShown = 5

// add notes a mistake. The arguments must never hold a value of the file.
func (p *problems) add(line int, format string, args ...any) {
	p.list = append(p.list, problem{line: line, text: fmt.Sprintf(format, args...)})
}

// addHint is add with what to do about it.
func (p *problems) addHint(line int, hint, format string, args ...any) {
	p.list = append(p.list, problem{line: line, text: fmt.Sprintf(format, args...), hint: hint})
}

// err gives the mistakes as one error in the order of the file, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	lines := make([]string, 0, maxShown+1)
	hint := ""
	for i, q := range p.list {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(p.list)-maxShown))
			break
		}
		lines = append(lines, strings.TrimPrefix(p.where(q.line)+": "+q.text, ": "))
		hint = cmp.Or(hint, q.hint)
	}
	return &fault.Error{Kind: fault.Usage, Msg: strings.Join(lines, "\n"), Hint: hint}
}

// where names a place as editors and terminals link it.
func (p *problems) where(line int) string { return place(p.file, line) }

func place(file string, line int) string {
	if line <= 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// keyShaped is what a key that somebody typed looks like. Short, because a token
// that lost its key stands where a key should, and must not be repeated.
func keyShaped(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_.-]{1,20}$`).MatchString(s)
}

// shown quotes a key of the file when it cannot be a secret.
func shown(key string) string {
	if keyShaped(key) {
		return `"` + key + `"`
	}
	return fmt.Sprintf("of %d characters (not shown: it may be a secret)", len([]rune(key)))
}

// unknownKey is the message for a key that is not one of known: the nearest one,
// else all of them. in is the place, or "" at the top.
func unknownKey(key, in string, known []string) string {
	if in != "" {
		in = " in " + in
	}
	if near := nearest(key, known); near != "" {
		// So close to a known word, it is no secret, whatever its length.
		return fmt.Sprintf("unknown key %q%s; did you mean %q?", key, in, near)
	}
	return fmt.Sprintf("unknown key %s%s (known: %s)", shown(key), in, listed(known))
}

// unknownValue is unknownKey for a value that must be one of known. It repeats
// the value only when it is nearly one of them.
func unknownValue(what, value string, known []string) string {
	if near := nearest(value, known); near != "" {
		return fmt.Sprintf("unknown %s %q; did you mean %q?", what, value, near)
	}
	return fmt.Sprintf("unknown %s (known: %s)", what, listed(known))
}

func listed(known []string) string {
	if len(known) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(slices.Values(known)), ", ")
}
