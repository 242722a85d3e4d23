package triage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/safe"
)

// VerdictsSchema names the format in which colleagues hand each other verdicts: a
// header line and then a line for each verdict. Times are the engine's, ages are
// durations: no two clocks are compared but to find out what cannot be.
const VerdictsSchema = "edrc.verdicts/v1"

// ImportedBy is who asked for a verdict that came from a colleague.
const ImportedBy = "import"

const (
	maxLine   = 1 << 20 // of an exported verdict
	maxString = 8 << 10 // of one text in it
	maxItems  = 500     // IOCs or techniques
	maxSkew   = 10 * time.Minute
	maxAge    = 50 * 365 * 24 * time.Hour
	maxSize   = 1 << 50 // bytes of a file
	maxGenes  = 1 << 30
)

// exportHeader is the first line of an export.
type exportHeader struct {
	Schema   string    `json:"schema"`
	Exported time.Time `json:"exported"`
	Tool     string    `json:"tool,omitempty"`
}

// exportLine is one verdict. Age is how old the analysis was when it was exported.
type exportLine struct {
	Engine  string        `json:"engine"` // the scope: name and base URL
	Age     int64         `json:"age_seconds"`
	Verdict alert.Verdict `json:"verdict"`
}

// ExportVerdicts writes the remembered verdicts that match and gives their number.
// Text that would move a terminal's cursor is written in its visible form. Failed
// analyses are nobody else's business and are left out.
func (s *Service) ExportVerdicts(ctx context.Context, w io.Writer, f VerdictFilter, tool string) (int, error) {
	out := bufio.NewWriter(w)
	now := s.Now()
	if err := writeLine(out, exportHeader{VerdictsSchema, now.UTC().Truncate(time.Second), tool}); err != nil {
		return 0, err
	}
	n := 0
	for v, err := range s.Verdicts(ctx, f) {
		if err != nil {
			return n, err
		}
		if v.Verdict.Class == alert.ClassFailed {
			continue
		}
		line := exportLine{Engine: v.Engine, Age: int64(v.Age(now) / time.Second), Verdict: v.Verdict}
		for _, t := range texts(&line.Verdict) {
			*t.value = clip(safe.Line(*t.value))
		}
		if err := writeLine(out, line); err != nil {
			return n, err
		}
		n++
	}
	return n, out.Flush()
}

func writeLine(w *bufio.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func clip(s string) string {
	if len(s) <= maxString {
		return s
	}
	s = s[:maxString]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// text is one string of a verdict that its author could choose.
type text struct {
	name  string
	value *string
}

func texts(v *alert.Verdict) []text {
	out := []text{{"sub_verdict", &v.SubVerdict}, {"family", &v.Family}, {"name", &v.Name}, {"file_type", &v.FileType},
		{"analysis_id", &v.AnalysisID}, {"url", &v.URL}, {"reason", &v.Reason}, {"engine", &v.Engine}}
	v.Attack, v.IOCs = slices.Clone(v.Attack), slices.Clone(v.IOCs)
	for i := range v.Attack {
		t := &v.Attack[i]
		out = append(out, text{"attack", &t.ID}, text{"attack", &t.Name}, text{"attack", &t.Tactic})
	}
	for i := range v.IOCs {
		out = append(out, text{"iocs", &v.IOCs[i].Type}, text{"iocs", &v.IOCs[i].Value})
	}
	return out
}

// checkVerdict says what is wrong with a verdict that somebody else wrote down.
func checkVerdict(v *alert.Verdict) error {
	if !slices.Contains(alert.Classes(), v.Class) || v.Class == alert.ClassFailed {
		return fmt.Errorf("verdict: %q is not a class", v.Class)
	}
	for algo, h := range map[alert.Algo]alert.Hash{alert.SHA256: v.SHA256, alert.SHA1: v.SHA1, alert.MD5: v.MD5} {
		if h == "" {
			continue
		}
		if parsed, err := alert.ParseHash(string(h)); err != nil || parsed != h || h.Algo() != algo {
			return fmt.Errorf("%s: %q is no such hash", algo, h)
		}
		if h.Refused() {
			return fmt.Errorf("%s: %s names no file", algo, h)
		}
	}
	if v.Best() == "" {
		return errors.New("it has no hash")
	}
	if v.Size < 0 || v.Size > maxSize || v.Genes < 0 || v.Genes > maxGenes {
		return errors.New("its size or its number of genes cannot be")
	}
	if len(v.Attack) > maxItems || len(v.IOCs) > maxItems {
		return fmt.Errorf("it has more than %d techniques or indicators", maxItems)
	}
	for _, t := range texts(v) {
		if len(*t.value) > maxString {
			return fmt.Errorf("%s: is longer than %d bytes", t.name, maxString)
		}
		if safe.Line(*t.value) != *t.value {
			return fmt.Errorf("%s: has control or invisible characters", t.name)
		}
	}
	return checkLink(v.URL)
}

// checkLink refuses what is no plain link to a report: analysts click it.
func checkLink(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return errors.New("url: is no https link")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
