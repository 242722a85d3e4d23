package scan

import (
	"fmt"
	"slices"

	"edrc/internal/sample"
)

// LocalFiles is the name by which a policy knows the files that a person hands over:
// edrc scan file.
const LocalFiles = "file"

// UploadPolicy decides which files may leave for the engine. Its zero value allows
// everything but documents.
type UploadPolicy struct {
	UploadRule
	// Sources are rules by the name of a source, each instead of the general one; see
	// also [LocalFiles].
	Sources map[string]UploadRule
}

// UploadRule is the policy for one source.
type UploadRule struct {
	// Types may be uploaded; nil is all but documents, and an empty one is nothing.
	Types []sample.Type
	// MaxSize is the most bytes that a file may have; 0 is the engine's own limit.
	MaxSize int64
}

// DefaultTypes are what is uploaded when nothing else was said.
func DefaultTypes() []sample.Type {
	return []sample.Type{sample.Executable, sample.Script, sample.ArchiveFile, sample.OtherFile}
}

// Refuses says why a file of a source may not be uploaded; "" when it may. size 0 is
// not known yet.
func (p UploadPolicy) Refuses(source string, t sample.Type, size int64) string {
	rule, key := p.UploadRule, "scan.upload"
	if own, ok := p.Sources[source]; ok {
		rule, key = own, "scan.upload.sources."+source
	}
	types := rule.Types
	if types == nil {
		types = DefaultTypes()
	}
	switch {
	case len(types) == 0:
		return key + ".types allows nothing"
	case !slices.Contains(types, t):
		return fmt.Sprintf("type %s is not in %s.types", t, key)
	case rule.MaxSize > 0 && size > rule.MaxSize:
		return fmt.Sprintf("it has %d bytes, more than the %d of %s.max_size", size, rule.MaxSize, key)
	}
	return ""
}
