package lab

import (
	"net/http"
	"slices"
)

// listThreats is GET /threats.
func (s *console) listThreats(r *http.Request) (any, error) {
	params, err := singleParams(r)
	if err != nil {
		return nil, err
	}
	p, err := newPage(params, []string{"id", "createdAt", "updatedAt"}, s.clock())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sel, err := s.newSelection(params)
	if err != nil {
		return nil, err
	}
	s.drift()
	slots, total, next := s.pageOf(sel, p)
	out := make([]threatJSON, len(slots))
	for i, slot := range slots {
		s.render(&s.threats[slot], &out[i])
	}
	return list{Data: out, Pagination: pagination{TotalItems: total, NextCursor: next}}, nil
}

// pageOf walks the index of the sort key from the cursor on. Without skipCount it goes on to the end, to count.
func (s *console) pageOf(sel selection, p page) (slots []int32, total int, next *string) {
	x := s.indexBy(p.sortBy)
	order, now, skipped := sel.candidates(s, x), s.now(), 0
	for i := range order {
		slot := order[i]
		if p.desc {
			slot = order[len(order)-1-i]
		}
		t := &s.threats[slot]
		full := len(slots) == p.limit && next != nil
		if full && p.skipCount {
			break
		}
		if !sel.takes(s, t, now) {
			continue
		}
		total++
		switch {
		case full || p.countOnly || !p.behind(x.key(t), t.id):
		case skipped < p.skip:
			skipped++
		case len(slots) < p.limit:
			slots = append(slots, slot)
		default:
			last := &s.threats[slots[p.limit-1]]
			next = p.next(x.key(last), last.id, s.clock())
		}
	}
	if p.skipCount {
		total = 0
	}
	return slots, total, next
}

func (s *console) indexBy(sortBy string) *index {
	switch sortBy {
	case "createdAt":
		return &s.byCreated
	case "updatedAt":
		return &s.byUpdated
	}
	return &s.byID
}

// chosen are the slots that the filter of a write selects.
func (s *console) chosen(params map[string]string) ([]int32, error) {
	sel, err := s.newSelection(params)
	if err != nil {
		return nil, err
	}
	now := s.now()
	slots := slices.Clone(sel.candidates(s, &s.byID))
	return slices.DeleteFunc(slots, func(slot int32) bool { return !sel.takes(s, &s.threats[slot], now) }), nil
}
