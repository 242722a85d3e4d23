package intezer

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// Detail completes a finished analysis with what its sub-resources say: the other
// hashes, size and type, the family and the genes shared with it, and, where there
// is something to hunt for (malicious, suspicious, unknown), indicators and
// techniques. All of it is free (4.2).
//
// Details are decoration: what the engine does not have, the plan does not allow
// or the network does not bring is left empty, and the verdict comes back without
// an error. The one error is that of a context that is done; the verdict then
// holds what had come.
func (c *Client) Detail(ctx context.Context, a scan.Analysis) (alert.Verdict, error) {
	v := a.Verdict
	if a.State != scan.Succeeded || !validID(a.ID) {
		return v, nil
	}
	var (
		reuse codeReuse
		meta  metadata
		iocs  iocReport
		ttps  ttpReport
		wg    sync.WaitGroup
		base  = "/analyses/" + a.ID
		root  = base + "/sub-analyses/root" // "root" stands for the file itself (2.6)
	)
	wg.Go(func() { c.part(ctx, "metadata", root+"/metadata", &meta) })
	if v.Family != "" || familyTypes(v.Class) != nil {
		wg.Go(func() { c.part(ctx, "code-reuse", root+"/code-reuse", &reuse) })
	}
	if v.Class == alert.Malicious || v.Class == alert.Suspicious || v.Class == alert.Unknown {
		wg.Go(func() { c.part(ctx, "iocs", base+"/iocs", &iocs) })
		wg.Go(func() { c.part(ctx, "dynamic-ttps", base+"/dynamic-ttps", &ttps) })
	}
	wg.Wait()
	meta.complete(&v)
	v.Family, v.Genes = mainFamily(v.Class, v.Family, reuse.Families)
	if v.Family == "" && v.Class == alert.Malicious {
		v.Family, v.Genes = mainFamily(v.Class, "", c.subFamilies(ctx, base))
	}
	v.IOCs = indicators(iocs, v.SHA256)
	v.Attack = techniques(ttps)
	return v, ctx.Err()
}

// complete adds what the engine hashed. Metadata of another file than the
// analysis is about (the archive around it) says nothing about it.
func (m metadata) complete(v *alert.Verdict) {
	hs, ok := combine(v.Hashes, alert.NewHashes(m.SHA256.String(), m.SHA1.String(), m.MD5.String()))
	if !ok {
		return
	}
	v.Hashes = hs
	v.Weak = hs.SHA256 == ""
	v.FileType = m.FileType.String()
	v.Size = max(0, m.Size.int64())
}

// maxParts is how many parts of a file are asked for the family that the file
// itself does not show. A dropper's first few tell; a count of all would cost a
// request each.
const maxParts = 3

// subFamilies lists the families of the first parts of a file that are not the
// file itself.
func (c *Client) subFamilies(ctx context.Context, base string) []family {
	var subs subAnalyses
	c.part(ctx, "sub-analyses", base+"/sub-analyses", &subs)
	found := make([]codeReuse, 0, maxParts)
	var wg sync.WaitGroup
	for _, s := range subs.Items {
		if s.Source.String() == "root" || !validID(s.ID.String()) {
			continue
		}
		if len(found) == maxParts {
			break
		}
		found = append(found, codeReuse{})
		to := &found[len(found)-1]
		wg.Go(func() { c.part(ctx, "code-reuse", base+"/sub-analyses/"+s.ID.String()+"/code-reuse", to) })
	}
	wg.Wait()
	var all []family
	for _, r := range found {
		all = append(all, r.Families...)
	}
	return all
}

// part reads one sub-resource into v, which stays as it is when there is nothing
// to read. 404 and 409 are "no such report"; a 403 for the plan's sake ends the
// asking for the rest of the run.
func (c *Client) part(ctx context.Context, feature, path string, v any) {
	if c.features.isOff(feature) {
		return
	}
	resp, err := c.http.Do(ctx, httpx.Request{
		Op: "read " + strings.ReplaceAll(feature, "-", " "), Path: path, Class: httpx.Read,
		OK: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone},
	})
	switch {
	case err != nil:
	case resp.Status == http.StatusForbidden:
		if readError(resp.Body).says(noPermission) {
			c.features.off(feature)
		}
	case resp.Status == http.StatusOK && isObject(resp.Body):
		_ = decode(resp.Body, v)
	}
}

// switches are the features that the account turned out not to have.
type switches struct{ names sync.Map }

func (s *switches) off(feature string) { s.names.Store(feature, true) }

func (s *switches) isOff(feature string) bool {
	_, off := s.names.Load(feature)
	return off
}
