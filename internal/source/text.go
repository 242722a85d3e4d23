package source

import (
	"regexp"
	"strings"
	"sync"
)

// Pattern compiles a regular expression at its first use: most runs need few of them. It
// panics there when the expression is none.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// BaseName gives the last element of a Windows path (C:\, \Device\) or a Unix one. Each may
// have the other's separator in a name that an attacker chose.
func BaseName(path string) string {
	separator := "/"
	if strings.HasPrefix(path, `\`) || len(path) > 2 && path[1:3] == `:\` {
		separator = `\`
	}
	path = strings.TrimRight(path, separator)
	return path[strings.LastIndex(path, separator)+1:]
}
