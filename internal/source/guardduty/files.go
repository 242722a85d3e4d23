package guardduty

import (
	"strings"

	"edrc/internal/alert"
)

// The files of a finding are listed in the order of trust that they are the malicious
// one: what GuardDuty itself calls a threat, then a loaded module, then the images of
// processes, which are often innocent interpreters. One file is listed once, under the
// first of its roles.

// fileSet collects files.
type fileSet struct {
	files []alert.File
	at    map[string]int // by hash, and by path where there is no hash
}

// add takes a file in if it has a hash that is one, or is a threat with a path.
func (s *fileSet) add(role alert.Role, hash, path, name text) {
	f := alert.File{Hashes: alert.NewHashes(string(hash)), Path: string(path), Name: string(name), Role: role}
	if f.Name == "" {
		f.Name = baseName(f.Path)
	}
	key := string(f.Best())
	if key == "" {
		if role != alert.RoleThreat || path == "" {
			return
		}
		key = "path " + f.Path
	}
	if i, known := s.at[key]; known {
		if have := &s.files[i]; have.Path == "" {
			have.Path, have.Name = f.Path, f.Name
		}
		return
	}
	if s.at == nil {
		s.at = map[string]int{}
	}
	s.at[key] = len(s.files)
	s.files = append(s.files, f)
}

// scan adds what a malware scan names.
func (s *fileSet) scan(threats []scanThreat) {
	for _, t := range threats {
		var path text
		for _, p := range t.ItemPaths {
			s.add(alert.RoleThreat, p.Hash, p.Path, "")
			path = p.Path
		}
		for _, i := range t.Items {
			s.add(alert.RoleThreat, i.Hash, i.Path, "")
			path = i.Path
		}
		if len(t.ItemPaths)+len(t.Items) != 1 {
			path = "" // of which one?
		}
		s.add(alert.RoleThreat, t.Hash, path, "")
	}
}

func (s *fileSet) image(p process) { s.add(alert.RoleImage, p.Sha256, p.Path, "") }

// files gives the files of a finding; more are the threats of its whole malware scan,
// where the finding has a shortened list.
func (f *finding) files(more []scanThreat) []alert.File {
	var s fileSet
	ctx := f.Service.Runtime.Context
	for _, t := range f.Service.Evidence.Threats {
		s.add(alert.RoleThreat, t.FileSha256, ctx.ThreatFilePath, "")
	}
	for _, n := range f.Service.VolumeScan.Detections.ByName.Names {
		for _, file := range n.Files {
			s.add(alert.RoleThreat, file.Hash, file.Path, file.Name)
		}
	}
	s.scan(f.Service.MalwareScan.Threats)
	for _, b := range f.Resource.S3Buckets {
		for _, o := range b.Objects {
			if o.Hash != "" { // a bucket's objects are threats only where they were scanned
				s.add(alert.RoleThreat, o.Hash, o.Key, "")
			}
		}
	}
	for _, hash := range f.Service.AdditionalInfo.threats {
		s.add(alert.RoleThreat, text(hash), ctx.ThreatFilePath, "")
	}
	s.scan(more)
	s.add(alert.RoleModule, ctx.ModuleSha256, ctx.ModuleFilePath, ctx.ModuleName)
	s.image(f.Service.Runtime.Process)
	s.image(ctx.Modifying)
	s.image(ctx.Target)
	for _, a := range f.Service.Detection.Sequence.Actors {
		s.add(alert.RoleImage, a.Process.Sha256, a.Process.Path, "")
	}
	return s.files
}

// baseName gives the last element of a path. S3 keys and Linux have slashes; a Windows
// path is known by its start.
func baseName(path string) string {
	separator := "/"
	if len(path) > 2 && path[1:3] == `:\` || strings.HasPrefix(path, `\\`) {
		separator = `\`
	}
	path = strings.TrimRight(path, separator)
	return path[strings.LastIndex(path, separator)+1:]
}
