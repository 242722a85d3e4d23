package source

import (
	"context"

	"edrc/internal/alert"
)

// Applied is what became of a resolution, field by field, and the value
// that each had before.
type Applied struct {
	Fields map[string]FieldResult
}

// The fields of a resolution.
const (
	FieldStatus  = "status"
	FieldVerdict = "verdict"
	FieldAssign  = "assign"
	FieldTags    = "tags"
)

// What may become of a field.
const (
	FieldDone      = "done"
	FieldPending   = "pending" // accepted, and not to be seen yet
	FieldUnknown   = "unknown" // in doubt
	FieldUnchanged = "unchanged"
)

// FieldResult is the outcome of one field, one of those above, and its value before.
type FieldResult struct {
	Outcome string
	Before  string
}

// Resolver sets the analyst's decision on an alert.
type Resolver interface {
	// Supports names each field that the product cannot express; pure.
	Supports(r alert.Resolution) error
	Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (Applied, error)
}
