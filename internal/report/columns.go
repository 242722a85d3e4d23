package report

import (
	"slices"
	"strings"
)

// chosen gives the columns to print: those that --columns names, in its order
// and each once; else all that are not wide, or with -o wide all.
func chosen[T any](o Options, columns []Column[T]) []Column[T] {
	var out []Column[T]
	if len(o.Columns) == 0 {
		for _, c := range columns {
			if !c.Wide || o.format() == Wide {
				out = append(out, c)
			}
		}
		return out
	}
	var seen []string
	for _, name := range o.Columns {
		i := slices.IndexFunc(columns, func(c Column[T]) bool { return c.Name == key(name) })
		if i >= 0 && !slices.Contains(seen, key(name)) {
			seen = append(seen, key(name))
			out = append(out, columns[i])
		}
	}
	return out
}

// sorted gives the items in the order of --sort, in a slice of their own; equal
// ones keep their order, descending too.
func sorted[T any](o Options, l List[T], v View) []T {
	name, descending := o.sortKey()
	i := slices.IndexFunc(l.Columns, func(c Column[T]) bool { return c.Name == name })
	if i < 0 {
		return l.Items
	}
	column := l.Columns[i]
	whole := View{Now: v.Now} // shortened for the eye, texts would not compare
	type keyed struct {
		item T
		text string
	}
	all := make([]keyed, len(l.Items))
	for i, item := range l.Items {
		all[i].item = item
		if column.Sort == nil {
			all[i].text = strings.ToLower(column.Value(whole, item))
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		if descending {
			a, b = b, a
		}
		if column.Sort != nil {
			return column.Sort(a.item, b.item)
		}
		return strings.Compare(a.text, b.text)
	})
	items := make([]T, len(all))
	for i := range all {
		items[i] = all[i].item
	}
	return items
}
