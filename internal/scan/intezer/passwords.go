package intezer

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// passwords are what a server may echo while an archive is under way.
type passwords struct {
	mu   sync.Mutex
	used map[string]int // how many uploads have it
}

// add hides a password in messages until the function that it gives is called.
func (p *passwords) add(password string) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used == nil {
		p.used = map[string]int{}
	}
	p.used[password]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.used[password]--; p.used[password] == 0 {
			delete(p.used, password)
		}
	}
}

// mask takes the passwords out of s, the longest first. One of fewer than four
// characters is no secret, and would tear up every sentence.
func (p *passwords) mask(s string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	hidden := make([]string, 0, len(p.used))
	for v := range p.used {
		if len(v) >= 4 {
			hidden = append(hidden, v)
		}
	}
	slices.SortFunc(hidden, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, v := range hidden {
		s = strings.ReplaceAll(s, v, "***")
	}
	return s
}
