package guardduty

import (
	"time"

	"edrc/internal/awsconn"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "guardduty"

// Options is a source of this kind as it stands in the configuration. None is needed:
// the AWS environment says which credentials and which region.
type Options struct {
	awsconn.Options `yaml:",inline"`

	// Settle and Overlap replace the product's facts of these names, see
	// [source.Traits]. A span of 0 is meant.
	Settle  *time.Duration `yaml:"settle"`
	Overlap *time.Duration `yaml:"overlap"`
}

// noteMax is the most characters a comment may have. The service model has no limit, so
// that of a careful guess holds.
const noteMax = 4000

// maxIDs is how many ids one request may have, or one page give.
const maxIDs = 50

// traits are the facts of the product, as the configuration changes them.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: maxIDs,
		Settle: 2 * time.Minute, Overlap: time.Hour,
		NoUpdated:      true, // one feed: findings are mutable, and updatedAt serves both
		NoteRepeatable: true, // feedback replaces the comment
		Accounts:       true,
	}
	if o.Settle != nil {
		t.Settle = *o.Settle
	}
	if o.Overlap != nil {
		t.Overlap = *o.Overlap
	}
	return t
}
