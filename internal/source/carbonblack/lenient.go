package carbonblack

import (
	"edrc/internal/source/lenient"
)

// The fields of replies, in any JSON type.
type (
	text          = lenient.Text
	flag          = lenient.Flag
	count         = lenient.Count
	stamp         = lenient.Stamp
	list[T any]   = lenient.List[T]
	object[T any] = lenient.Object[T]
)
