package source

import (
	"strings"
)

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
