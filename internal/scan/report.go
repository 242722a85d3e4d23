package scan

import "context"

// Reporter is an engine that tells more of a finished analysis on demand; it never
// costs. What it does not have is left out; the error is for what stops it altogether.
type Reporter interface {
	// Report reads the analysis and at most parts of the files found in it.
	Report(ctx context.Context, analysisID string, parts int) (Report, error)
}

// Report is what an engine knows of an analysis beside the verdict.
type Report struct {
	Genes int     `json:"genes,omitempty"` // pieces of code that the file has; 0 none or unknown
	Reuse []Reuse `json:"reuse"`           // most genes first
	Parts []Part  `json:"sub_analyses"`    // of the file itself, of what it unpacked and what it dropped
	More  int     `json:"more,omitempty"`  // parts that were not asked about
}

// Reuse is code that a file shares with a family. Its strings are the engine's.
type Reuse struct {
	Family string `json:"family"`
	Type   string `json:"type"` // malware, packer, library, application …
	Genes  int    `json:"genes"`
}

// Part is one sub-analysis. Its strings were chosen by the file's author.
type Part struct {
	ID       string  `json:"id"`
	SHA256   string  `json:"sha256"`
	Source   string  `json:"source"`         // root, static_extraction, dynamic_execution
	From     string  `json:"from,omitempty"` // memory, file_system
	Path     string  `json:"path,omitempty"` // where it was dropped, or the process it was in
	FileType string  `json:"file_type,omitempty"`
	Size     int64   `json:"size,omitempty"` // bytes
	Reuse    []Reuse `json:"reuse"`
}
