package source

import "time"

// Timing are options that every product takes: they replace its facts of these names, see
// [Traits]. What is not set leaves the fact; a span of 0 is meant.
type Timing struct {
	NoteSettle *time.Duration `yaml:"note_settle"`
	Settle     *time.Duration `yaml:"settle"`
	Overlap    *time.Duration `yaml:"overlap"`
}

// Of gives the product's facts as the configuration changes them.
func (o Timing) Of(t Traits) Traits {
	for _, r := range []struct{ fact, by *time.Duration }{
		{&t.NoteSettle, o.NoteSettle}, {&t.Settle, o.Settle}, {&t.Overlap, o.Overlap},
	} {
		if r.by != nil {
			*r.fact = *r.by
		}
	}
	return t
}

// Clock is now, or the machine's clock where the caller has none.
func Clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}
