package safe

import (
	"regexp"
	"sync"
)

// Pattern compiles a regular expression at its first use: most runs need few of them. It
// panics there when the expression is none.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
