package defender

import (
	"edrc/internal/source/lenient"
)

// The fields of replies, in any JSON type.
type (
	text         = lenient.Text
	count        = lenient.Count
	stamp        = lenient.Stamp
	list[T any]  = lenient.List[T]
	maybe[T any] = lenient.Object[T]
)
