package intezer

import (
	"net/url"
	"path"
	"strings"
)

// reply is the envelope of GET /files/{hash}, GET /analyses/{id} and the submit
// routes (contracts 2.1, 2.3, 2.6). Every key is optional.
type reply struct {
	Status    text        `json:"status"`
	Result    analysisDTO `json:"result"`
	ResultURL text        `json:"result_url"`
	errorBody
}

// analysisDTO is an analysis (contracts 2.1), and what a 409 carries in its place.
type analysisDTO struct {
	ID         text  `json:"analysis_id"`
	SHA256     text  `json:"sha256"`
	Verdict    text  `json:"verdict"`
	SubVerdict text  `json:"sub_verdict"`
	URL        text  `json:"analysis_url"`
	Time       text  `json:"analysis_time"`
	Private    *bool `json:"is_private"`
	Family     text  `json:"family_name"`
	FileName   text  `json:"file_name"`
	Skipped    *bool `json:"is_skipped_by_rule"`
}

// codeReuse is the body of …/code-reuse (contracts 2.6).
type codeReuse struct {
	Genes    number       `json:"gene_count"`
	Families list[family] `json:"families"`
}

type family struct {
	Name  text   `json:"family_name"`
	Type  text   `json:"family_type"`
	Genes number `json:"reused_gene_count"`
}

// metadata is the body of …/metadata (contracts 2.6).
type metadata struct {
	SHA256   text   `json:"sha256"`
	SHA1     text   `json:"sha1"`
	MD5      text   `json:"md5"`
	Size     number `json:"size_in_bytes"`
	FileType text   `json:"file_type"`
}

// subAnalyses is the body of /sub-analyses: not under "result".
type subAnalyses struct {
	Items list[struct {
		ID     text `json:"sub_analysis_id"`
		SHA256 text `json:"sha256"`
		Source text `json:"source"`
		// Extraction and all in it are optional.
		Extraction struct {
			From      text `json:"collected_from"`
			Dropped   text `json:"dropped_path"`
			Processes list[struct {
				Path   text `json:"process_path"`
				Module text `json:"module_path"`
			}] `json:"processes"`
		} `json:"extraction_info"`
	}] `json:"sub_analyses"`
}

// iocReport is the body of /iocs (contracts 2.8).
type iocReport struct {
	Result struct {
		Files   list[iocFile]    `json:"files"`
		Network list[iocNetwork] `json:"network"`
	} `json:"result"`
}

type iocFile struct {
	SHA256  text `json:"sha256"`
	Verdict text `json:"verdict"`
}

type iocNetwork struct {
	Value text `json:"ioc"`
	Type  text `json:"type"`
}

// ttpReport is the body of /dynamic-ttps. The "data" of an item can hold
// thousands of entries; it is not read.
type ttpReport struct {
	Result list[struct {
		New list[ttpName] `json:"ttps"`
		Old list[ttpName] `json:"ttp"` // one object, before 2023
	}] `json:"result"`
}

type ttpName struct {
	Text text `json:"ttp"` // "Tactic::Technique [T1573]"
}

// isTrue reports a flag that is there and true.
func isTrue(b *bool) bool { return b != nil && *b }

// id gives the analysis id: the result's, else the last element of result_url
// (which may be a path or a whole URL), else "".
func (r *reply) id() string {
	if id := r.Result.ID.String(); validID(id) {
		return id
	}
	u, err := url.Parse(r.ResultURL.String())
	if err != nil {
		return ""
	}
	if id := path.Base(u.Path); validID(id) {
		return id
	}
	return ""
}

// validID reports whether s may stand in a path of ours. Ids are UUIDs today.
func validID(s string) bool {
	return len(s) > 0 && len(s) <= 128 &&
		strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}
