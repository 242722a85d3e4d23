package lab

import (
	"cmp"
	"slices"
)

// index keeps the threats of a console in the order of one key, ties by id. Changing a key is remove, change, insert: at
// 100,000 threats a move costs microseconds, and a page never sorts.
type index struct {
	key   func(*threat) int64
	of    func(slot int32) *threat
	order []int32
}

// position is where a threat with this key and id stands or would stand.
func (x *index) position(key, id int64) int {
	n, _ := slices.BinarySearchFunc(x.order, 0, func(slot int32, _ int) int {
		return x.compare(slot, key, id)
	})
	return n
}

func (x *index) compare(slot int32, key, id int64) int {
	t := x.of(slot)
	return cmp.Or(cmp.Compare(x.key(t), key), cmp.Compare(t.id, id))
}

func (x *index) insert(slot int32) {
	t := x.of(slot)
	x.order = slices.Insert(x.order, x.position(x.key(t), t.id), slot)
}

func (x *index) remove(slot int32) {
	t := x.of(slot)
	if n := x.position(x.key(t), t.id); n < len(x.order) && x.order[n] == slot {
		x.order = slices.Delete(x.order, n, n+1)
	}
}

// extend adds many at once.
func (x *index) extend(slots []int32) {
	x.order = append(x.order, slots...)
	x.sort(x.order)
}

// sort orders any set of slots as the index would.
func (x *index) sort(slots []int32) {
	slices.SortFunc(slots, func(a, b int32) int {
		t := x.of(b)
		return x.compare(a, x.key(t), t.id)
	})
}
