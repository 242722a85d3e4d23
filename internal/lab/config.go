package lab

import (
	"fmt"
	"strings"
	"time"
)

// Config is an edrc configuration that points at the lab. It holds the lab's keys: write it with mode 0600.
func (l *Lab) Config() []byte {
	settle := time.Duration(0)
	if l.opt.NoteLag > 0 {
		settle = l.opt.NoteLag
	}
	var b strings.Builder
	b.WriteString("sources:\n")
	for n, c := range l.consoles {
		fmt.Fprintf(&b, "  %s: {kind: sentinelone, url: %q, token: %q, note_settle: %s, settle: 0s, rate: 1000}\n",
			c.name, l.consoleURLs[n], c.token, settle)
	}
	for _, g := range l.guests {
		fmt.Fprintf(&b, "  %s: %s\n", g.name, g.Vendor.Config(g.url))
	}
	fmt.Fprintf(&b, "scan: {engine: intezer, url: %q, api_key: %q, rate: 1000, concurrency: 8, poll: 100ms}\n", l.engineURL, l.engine.apiKey)
	b.WriteString("fetch: {poll: 100ms}\n")
	if l.opt.StorePath != "" {
		fmt.Fprintf(&b, "store: {path: '%s'}\n", strings.ReplaceAll(l.opt.StorePath, "'", "''"))
	}
	return []byte(b.String())
}
