package triage

import (
	"hash/maphash"
	"sync"
)

// distinct counts different keys in little memory: a collision of 64-bit digests
// would only make a count one too small.
type distinct[K comparable] struct {
	mu   sync.Mutex
	seed maphash.Seed
	set  map[uint64]struct{}
}

func newDistinct[K comparable]() *distinct[K] {
	return &distinct[K]{seed: maphash.MakeSeed(), set: map[uint64]struct{}{}}
}

func (d *distinct[K]) add(k K) {
	h := maphash.Comparable(d.seed, k)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set[h] = struct{}{}
}

func (d *distinct[K]) has(k K) bool {
	h := maphash.Comparable(d.seed, k)
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.set[h]
	return ok
}

func (d *distinct[K]) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.set)
}
