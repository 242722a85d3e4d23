package triage

import (
	"context"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// sight is a note that was found.
type sight struct {
	id      string
	foreign bool
}

// look asks the product whether the note is there already: another machine, or
// EDR Connect, may have written it. It gives the items that are still to be sent.
func (d *deliverer) look(ctx context.Context, items []*item) ([]*item, int, error) {
	if len(items) == 0 {
		return nil, 0, nil
	}
	reader, ok := d.src.(source.NoteReader)
	if !ok {
		return items, 0, nil
	}
	has := map[string]alert.Has{}
	if p, ok := d.src.(source.NoteProber); ok {
		hs := make([]alert.Handle, len(items))
		for i, it := range items {
			hs[i] = it.rec.Handle
		}
		var err error
		if has, err = p.ProbeNotes(ctx, hs...); err != nil {
			return nil, 0, err
		}
	}
	var todo []*item
	found := 0
	for _, it := range items {
		if has[it.rec.ID] == alert.None {
			todo = append(todo, it)
			continue
		}
		seen, err := d.findNote(ctx, reader, it)
		switch {
		case fault.Is(err, fault.NotFound):
			if err := d.gone(ctx, it); err != nil {
				return nil, found, err
			}
			found++
		case err != nil:
			return nil, found, err
		case seen != nil:
			if err := d.done(ctx, []*item{it}, func(*item) (string, bool) { return seen.id, seen.foreign }); err != nil {
				return nil, found, err
			}
			found++
		default:
			todo = append(todo, it)
		}
	}
	return todo, found, nil
}

// findNote looks for the note among all notes of the container, and removes a visible
// double of ours: the younger one goes.
func (d *deliverer) findNote(ctx context.Context, reader source.NoteReader, it *item) (*sight, error) {
	var ours []alert.Note
	var foreign *sight
	for n, err := range reader.Notes(ctx, it.rec.Handle) {
		if err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(markersIn(n.Text), it.out.Marker):
			ours = append(ours, n)
		case foreign == nil && foreignVerdict(n.Text, it.out.Class) && len(it.rec.Files) == 1:
			foreign = &sight{id: n.ID, foreign: true}
		}
	}
	if len(ours) == 0 {
		return foreign, nil
	}
	slices.SortFunc(ours, func(a, b alert.Note) int { return a.Created.Compare(b.Created) })
	if remover, ok := d.src.(source.NoteRemover); ok {
		for _, double := range ours[1:] {
			if !sameNote(ours[0].Text, double.Text, it.out.Marker) {
				continue // somebody quotes it
			}
			if err := remover.RemoveNote(ctx, it.rec.Handle, double.ID); err == nil {
				d.sum.add(func(s *SourceSummary) { s.Repaired++ })
			}
		}
	}
	return &sight{id: ours[0].ID}, nil
}
