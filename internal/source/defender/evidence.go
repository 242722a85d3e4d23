package defender

import (
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/source/lenient"
)

// evidence is the part of any of Graph's 48 kinds of evidence that edrc reads; which
// fields there are depends on Type. The older APIs have the fields of a file and of
// an account flat in it: the embedded structs read those.
type evidence struct {
	Type    text       `json:"@odata.type"`
	Entity  text       `json:"entityType"` // of the older APIs
	Verdict text       `json:"verdict"`
	Roles   list[text] `json:"roles"`
	Main    list[text] `json:"detailedRoles"`

	device
	ProcessCommandLine text               `json:"processCommandLine"`
	ImageFile          maybe[fileDetails] `json:"imageFile"`
	UserAccount        maybe[account]     `json:"userAccount"`
	FileDetails        maybe[fileDetails] `json:"fileDetails"`
	HashValue          text               `json:"value"` // of a fileHashEvidence; its algorithm is told by the length
	Files              list[evidence]     `json:"files"` // of a malwareEvidence
	fileDetails
	account
}

type device struct {
	MDEDeviceID   text          `json:"mdeDeviceId"`
	DeviceDNSName text          `json:"deviceDnsName"`
	HostName      text          `json:"hostName"`
	OSPlatform    text          `json:"osPlatform"`
	Version       text          `json:"version"`
	HealthStatus  text          `json:"healthStatus"`
	LoggedOnUsers list[account] `json:"loggedOnUsers"`
}

type fileDetails struct {
	FileName text  `json:"fileName"`
	FilePath text  `json:"filePath"` // the directory only
	FileSize count `json:"fileSize"`
	SHA1     text  `json:"sha1"`
	SHA256   text  `json:"sha256"`
	MD5      text  `json:"md5"`
}

type account struct {
	AccountName       text `json:"accountName"`
	UserName          text `json:"userName"` // of a relatedUser of the older APIs
	DomainName        text `json:"domainName"`
	UserPrincipalName text `json:"userPrincipalName"`
	DisplayName       text `json:"displayName"`
}

// kind is the name of the kind without what surrounds it, in lower case: "device",
// "process", "file".
func (e evidence) kind() string {
	if e.Type == "" {
		return strings.ToLower(string(e.Entity))
	}
	name := string(e.Type)[strings.LastIndexByte(string(e.Type), '.')+1:]
	return strings.TrimSuffix(strings.ToLower(name), "evidence")
}

// contextual evidence was looked at, and is not what the alert is about.
func (e evidence) contextual() bool {
	if strings.EqualFold(string(e.Verdict), "noThreatsFound") {
		return true
	}
	return len(e.Roles) > 0 && !slices.ContainsFunc(e.Roles, func(r text) bool {
		return !strings.EqualFold(string(r), "contextual") && !strings.EqualFold(string(r), "scanned")
	})
}

func (a account) String() string {
	name := lenient.FirstText(a.AccountName, a.UserName)
	switch {
	case a.UserPrincipalName != "":
		return string(a.UserPrincipalName)
	case name != "" && a.DomainName != "":
		return string(a.DomainName) + `\` + name
	case name != "":
		return name
	}
	return string(a.DisplayName)
}

// file maps the details of a file; ok is false when they say nothing.
func (d fileDetails) file(role alert.Role) (f alert.File, ok bool) {
	f = alert.File{
		Hashes: alert.NewHashes(string(d.SHA256), string(d.SHA1), string(d.MD5)),
		Path:   joinPath(string(d.FilePath), string(d.FileName)), Name: string(d.FileName), Size: int64(d.FileSize), Role: role,
	}
	return f, f.Best() != "" || f.Name != ""
}

// joinPath puts directory and name together, with the separator of the directory.
func joinPath(dir, name string) string {
	switch {
	case dir == "" || name == "":
		return ""
	case strings.HasSuffix(dir, `\`) || strings.HasSuffix(dir, "/"):
		return dir + name
	case strings.HasPrefix(dir, "/"):
		return dir + "/" + name
	}
	return dir + `\` + name
}

// evidenceFile is a file with the device that it is on.
type evidenceFile struct {
	alert.File
	device string // its MDE id, "" when the evidence does not say
}

// filesOf collects the files of an alert, each once: those the alert is about, then
// images of processes, then what was only looked at. Parent processes are left out:
// nearly every alert has one, and it is seldom the culprit.
func filesOf(all []evidence) []evidenceFile {
	var out []evidenceFile
	add := func(d fileDetails, e evidence, role alert.Role) {
		if e.contextual() {
			role = alert.RoleModule
		}
		if f, ok := d.file(role); ok {
			out = append(out, evidenceFile{f, string(e.MDEDeviceID)})
		}
	}
	for _, e := range all {
		switch e.kind() {
		case "file":
			add(firstFile(e.FileDetails.V, e.fileDetails), e, alert.RoleThreat)
		case "process":
			add(firstFile(e.ImageFile.V, e.fileDetails), e, alert.RoleImage)
		case "filehash":
			add(fileDetails{SHA256: e.HashValue}, e, alert.RoleThreat)
		case "malware":
			for _, inner := range e.Files {
				add(firstFile(inner.FileDetails.V, inner.fileDetails), e, alert.RoleThreat)
			}
		}
	}
	rank := map[alert.Role]int{alert.RoleThreat: 0, alert.RoleImage: 1, alert.RoleModule: 2}
	slices.SortStableFunc(out, func(a, b evidenceFile) int { return rank[a.Role] - rank[b.Role] })
	return distinct(out)
}

func firstFile(nested, flat fileDetails) fileDetails {
	if nested != (fileDetails{}) {
		return nested
	}
	return flat
}

// distinct keeps one entry for each file. What a later one of the same hash knows
// beyond it, its path for example, is taken over.
func distinct(in []evidenceFile) []evidenceFile {
	var out []evidenceFile
	for _, f := range in {
		i := slices.IndexFunc(out, func(o evidenceFile) bool {
			if f.Best() == "" || o.Best() == "" {
				return f.Best() == o.Best() && o.Path == f.Path && o.Name == f.Name
			}
			return slices.ContainsFunc(f.All(), o.Has)
		})
		if i < 0 {
			out = append(out, f)
			continue
		}
		o := &out[i]
		o.Hashes = alert.NewHashes(append(texts(f.Hashes), texts(o.Hashes)...)...)
		if o.Path == "" {
			o.Path, o.Name, o.device = f.Path, f.Name, f.device
		}
		o.Size = max(o.Size, f.Size)
	}
	return out
}

func texts(hs alert.Hashes) []string {
	var out []string
	for _, h := range hs.All() {
		out = append(out, string(h))
	}
	return out
}

// hostOf gives the device that an alert is about: the main or the compromised one,
// else the first; else the device that a file or a process names.
func hostOf(all []evidence) alert.Host {
	var best *evidence
	score := -1
	for i, e := range all {
		if e.kind() != "device" {
			continue
		}
		s := 0
		if slices.ContainsFunc(e.Roles, func(r text) bool { return strings.EqualFold(string(r), "compromised") }) {
			s++
		}
		if slices.ContainsFunc(e.Main, func(r text) bool { return strings.EqualFold(string(r), "Main device") }) {
			s += 2
		}
		if s > score {
			best, score = &all[i], s
		}
	}
	if best != nil {
		return best.host()
	}
	for _, e := range all {
		if e.MDEDeviceID != "" {
			return alert.Host{ID: string(e.MDEDeviceID)}
		}
	}
	return alert.Host{}
}

func (d device) host() alert.Host {
	os := string(d.OSPlatform)
	if d.Version != "" && os != "" {
		os += " " + string(d.Version)
	}
	return alert.Host{
		ID: string(d.MDEDeviceID), Name: lenient.FirstText(d.DeviceDNSName, d.HostName), OS: os,
		Platform: platformOf(string(d.OSPlatform)), Reachable: reachableOf(string(d.HealthStatus)),
	}
}

// userOf gives the account of the process, else one that the alert names, else one
// that was logged on.
func userOf(all []evidence) string {
	var out string
	better := 0
	offer := func(rank int, a account) {
		if s := a.String(); s != "" && rank > better {
			out, better = s, rank
		}
	}
	for _, e := range all {
		switch e.kind() {
		case "process":
			offer(4, e.UserAccount.V)
			offer(4, e.account)
		case "user":
			offer(3, e.UserAccount.V)
			offer(3, e.account)
		case "mailbox":
			offer(2, e.UserAccount.V)
			offer(2, e.account)
		case "device":
			for _, u := range e.LoggedOnUsers {
				offer(1, u)
			}
		}
	}
	return out
}

// commandOf gives the command line of the first process that the alert is about.
func commandOf(all []evidence) string {
	var out string
	for _, e := range all {
		if e.kind() != "process" || e.ProcessCommandLine == "" {
			continue
		}
		if !e.contextual() {
			return string(e.ProcessCommandLine)
		}
		if out == "" {
			out = string(e.ProcessCommandLine)
		}
	}
	return out
}
