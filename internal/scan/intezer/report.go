package intezer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"edrc/internal/fault"
	"edrc/internal/scan"
)

var _ scan.Reporter = (*Client)(nil)

// Report implements scan.Reporter: GET /analyses/{id}/sub-analyses, and of each the
// code reuse and the metadata (2.6). All of it is free (4.2).
func (c *Client) Report(ctx context.Context, id string, parts int) (scan.Report, error) {
	if !validID(id) {
		return scan.Report{}, &fault.Error{Kind: fault.NotFound, Source: name, Op: "report", Msg: "the verdict has no analysis that can be asked about"}
	}
	base := "/analyses/" + id
	var subs subAnalyses
	c.part(ctx, "sub-analyses", base+"/sub-analyses", &subs)
	out := scan.Report{Reuse: []scan.Reuse{}, Parts: []scan.Part{}}
	for _, s := range subs.Items {
		if !validID(s.ID.String()) {
			continue
		}
		if len(out.Parts) == parts {
			out.More++
			continue
		}
		p := scan.Part{ID: s.ID.String(), SHA256: s.SHA256.String(), Source: s.Source.String(), From: s.Extraction.From.String(), Path: s.Extraction.Dropped.String()}
		for _, proc := range s.Extraction.Processes {
			p.Path = cmp.Or(p.Path, proc.Module.String(), proc.Path.String())
		}
		out.Parts = append(out.Parts, p)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	genes := make([]int, len(out.Parts))
	for i := range out.Parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			genes[i] = c.describe(ctx, base, &out.Parts[i])
		})
	}
	wg.Wait()
	for i, p := range out.Parts {
		if p.Source == "root" {
			out.Reuse, out.Genes = p.Reuse, genes[i]
		}
	}
	return out, ctx.Err()
}

// describe completes a part, and gives the number of its genes.
func (c *Client) describe(ctx context.Context, base string, p *scan.Part) int {
	var reuse codeReuse
	var meta metadata
	at := base + "/sub-analyses/" + p.ID
	c.part(ctx, "code-reuse", at+"/code-reuse", &reuse)
	c.part(ctx, "metadata", at+"/metadata", &meta)
	p.FileType, p.Size = meta.FileType.String(), max(0, meta.Size.int64())
	p.SHA256 = cmp.Or(p.SHA256, meta.SHA256.String())
	p.Reuse = []scan.Reuse{}
	for _, f := range reuse.Families {
		p.Reuse = append(p.Reuse, scan.Reuse{Family: f.Name.String(), Type: f.Type.String(), Genes: int(max(0, f.Genes.int64()))})
	}
	slices.SortStableFunc(p.Reuse, func(a, b scan.Reuse) int { return b.Genes - a.Genes })
	return int(max(0, reuse.Genes.int64()))
}
