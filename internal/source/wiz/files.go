package wiz

import (
	"encoding/json"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// event is a cloud event that a detection rests on; of the first also its raw record.
type event struct {
	ID       text            `json:"id"`
	Origin   text            `json:"origin"`
	Link     text            `json:"cloudProviderUrl"`
	External text            `json:"externalId"` // of webhooks
	Command  text            `json:"commandLine"`
	Record   json.RawMessage `json:"rawAuditLogRecord"`
	Extra    struct {
		Tree list[process] `json:"processTree"`
	} `json:"extraDetails"`
	Triggers list[sensorMatch] `json:"trigger"`
}

// process is one of a process and its parents. Their order is UNCERTAIN.
type process struct {
	Command  text  `json:"command"`
	Path     text  `json:"path"`
	Hash     text  `json:"hash"` // SHA-1 in what was published
	Size     count `json:"size"` // bytes
	UserName text  `json:"userName"`
}

// sensorMatch is what the sensor's rules matched: the only place of a SHA-256.
type sensorMatch struct {
	Files list[struct {
		Name   text `json:"name"`
		MD5    text `json:"md5"`
		SHA1   text `json:"sha1"`
		SHA256 text `json:"sha256"`
	}] `json:"fileReputationHashMatch"`
	Rules list[struct {
		Rule struct {
			Techniques list[text] `json:"MITRETechniques"`
		} `json:"rule"`
	}] `json:"sensorEngineRules"`
}

// processes are those of all events.
func (d detection) processes() []process {
	var out []process
	for _, e := range d.Events.Nodes {
		out = append(out, e.Extra.Tree...)
	}
	return out
}

// files gives what the sensor knows as bad first, then the processes: each file once. An
// image may be an interpreter that was abused, so only the former are the threat.
func (d detection) files(tree []process) []alert.File {
	var out []alert.File
	for _, e := range d.Events.Nodes {
		for _, m := range e.Triggers {
			for _, f := range m.Files {
				out = addFile(out, alert.File{
					Hashes: alert.NewHashes(string(f.SHA256), string(f.SHA1), string(f.MD5)), Name: source.BaseName(string(f.Name)), Role: alert.RoleThreat,
				})
			}
		}
	}
	for _, p := range tree {
		out = addFile(out, alert.File{
			Hashes: alert.NewHashes(string(p.Hash)), Path: string(p.Path), Name: source.BaseName(string(p.Path)), Size: int64(p.Size), Role: alert.RoleImage,
		})
	}
	return out
}

// addFile adds a file, or what is new about one that is there.
func addFile(to []alert.File, f alert.File) []alert.File {
	if f.Best() == "" && f.Path == "" && f.Name == "" {
		return to
	}
	i := slices.IndexFunc(to, func(o alert.File) bool { return sameFile(o, f) })
	if i < 0 {
		return append(to, f)
	}
	known := &to[i]
	if known.Path == "" && f.Path != "" {
		known.Path, known.Name = f.Path, f.Name
	}
	known.Size = max(known.Size, f.Size)
	return to
}

func sameFile(a, b alert.File) bool {
	if a.Best() == "" || b.Best() == "" {
		return a.Best() == b.Best() && a.Path == b.Path && a.Name == b.Name
	}
	return slices.ContainsFunc(b.All(), a.Has)
}
