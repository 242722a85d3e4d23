package triage

import (
	"container/heap"
	"slices"
)

func worseRow(a, b Row) bool {
	if a.Alert.Severity != b.Alert.Severity {
		return a.Alert.Severity > b.Alert.Severity
	}
	return newerRow(a, b)
}

func newerRow(a, b Row) bool {
	if c := a.Alert.Created.Compare(b.Alert.Created); c != 0 {
		return c > 0
	}
	return a.Alert.Ref.String() < b.Alert.Ref.String()
}

// topRows keeps the best limit rows, in little memory: a heap with the worst of
// the kept ones on top.
type topRows struct {
	limit int
	less  func(a, b Row) bool // a goes before b
	rows  []Row
}

func (t *topRows) Len() int           { return len(t.rows) }
func (t *topRows) Less(i, j int) bool { return t.less(t.rows[j], t.rows[i]) }
func (t *topRows) Swap(i, j int)      { t.rows[i], t.rows[j] = t.rows[j], t.rows[i] }

// Push is heap.Interface's.
func (t *topRows) Push(x any) { t.rows = append(t.rows, x.(Row)) }

// Pop is heap.Interface's.
func (t *topRows) Pop() any {
	last := t.rows[len(t.rows)-1]
	t.rows = t.rows[:len(t.rows)-1]
	return last
}

func (t *topRows) add(r Row) {
	if t.limit > 0 && len(t.rows) == t.limit {
		if !t.less(r, t.rows[0]) {
			return
		}
		t.rows[0] = r
		heap.Fix(t, 0)
		return
	}
	heap.Push(t, r)
}

func (t *topRows) sorted() []Row {
	slices.SortFunc(t.rows, func(a, b Row) int {
		switch {
		case t.less(a, b):
			return -1
		case t.less(b, a):
			return 1
		}
		return 0
	})
	return t.rows
}
