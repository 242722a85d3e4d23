package lab

import (
	"slices"
	"strconv"
	"strings"
)

// gqlFilter is a FilterInput: a field, one comparison, and whether it is turned round.
type gqlFilter struct {
	FieldID       string       `json:"fieldId"`
	IsNegated     bool         `json:"isNegated"`
	StringEqual   *gqlString   `json:"stringEqual"`
	StringIn      *gqlStrings  `json:"stringIn"`
	Match         *gqlStrings  `json:"match"`
	BooleanEqual  *gqlBoolean  `json:"booleanEqual"`
	BooleanIn     *gqlBooleans `json:"booleanIn"`
	DateTimeRange *gqlRange    `json:"dateTimeRange"`
}

type gqlString struct {
	Value string `json:"value"`
}

type gqlStrings struct {
	Value  string   `json:"value"`
	Values []string `json:"values"`
}

type gqlBoolean struct {
	Value bool `json:"value"`
}

type gqlBooleans struct {
	Values []bool `json:"values"`
}

// gqlRange is in ms, over fields that have µs.
type gqlRange struct {
	Start          *int64 `json:"start"`
	End            *int64 `json:"end"`
	StartInclusive *bool  `json:"startInclusive"`
	EndInclusive   *bool  `json:"endInclusive"`
}

func (r *gqlRange) span() span {
	p := fullSpan()
	if r.Start != nil {
		p.from = *r.Start * 1000
		if r.StartInclusive != nil && !*r.StartInclusive {
			p.from++
		}
	}
	if r.End != nil {
		p.to = *r.End * 1000
		if r.EndInclusive != nil && !*r.EndInclusive {
			p.to--
		}
	}
	return p
}

// unifiedText is the value of a field that is compared as text; ok is false if the field cannot be filtered by.
func (s *console) unifiedText(field string) (of func(*threat) string, ok bool) {
	hash := func(n int) func(*threat) string {
		return func(t *threat) string {
			a, b, c := t.seenHashes(s.fileOf(t))
			return []string{a, b, c}[n]
		}
	}
	texts := map[string]func(*threat) string{
		"id":              s.uuid,
		"externalId":      func(t *threat) string { return strconv.FormatInt(t.id, 10) },
		"status":          func(t *threat) string { return unifiedStatuses()[t.status] },
		"severity":        func(t *threat) string { return strings.ToUpper(severities()[t.severity]) },
		"confidenceLevel": func(t *threat) string { return strings.ToUpper(t.confidence()) },
		"analystVerdict":  func(t *threat) string { return unifiedVerdict(t.verdict) },
		"classification":  func(t *threat) string { return strings.ToUpper(classification(s.fileOf(t))) },
		"assetName":       func(t *threat) string { return s.hosts[t.host].name },
		"assetAgentUuid":  func(t *threat) string { return s.hosts[t.host].uuid },
		"fileName":        func(t *threat) string { return s.fileOf(t).name },
		"processName":     func(t *threat) string { return s.fileOf(t).name },
		"alertName":       func(t *threat) string { return s.fileOf(t).name + " detected as " + classification(s.fileOf(t)) },
		"fileSha256":      hash(0), "fileSha1": hash(1), "fileMd5": hash(2),
	}
	of, ok = texts[field]
	return of, ok
}

// unifiedTime is a field that is compared as a time.
func unifiedTime(field string) (of func(*threat) int64, ok bool) {
	switch field {
	case "createdAt":
		return func(t *threat) int64 { return t.created }, true
	case "updatedAt", "lastSeenAt":
		return func(t *threat) int64 { return t.updated }, true
	case "detectedAt", "firstSeenAt":
		return (*threat).identified, true
	}
	return nil, false
}

// predicateOf reads one filter.
func (s *console) predicateOf(f gqlFilter) (predicate, error) {
	p, err := s.plainPredicate(f)
	if err != nil || !f.IsNegated {
		return p, err
	}
	return func(s *console, t *threat) bool { return !p(s, t) }, nil
}

func (s *console) plainPredicate(f gqlFilter) (predicate, error) {
	if of, ok := unifiedTime(f.FieldID); ok && f.DateTimeRange != nil {
		p := f.DateTimeRange.span()
		return func(_ *console, t *threat) bool { return p.holds(of(t)) }, nil
	}
	if values := f.booleans(); f.FieldID == "alertNoteExists" && values != nil {
		return func(s *console, t *threat) bool { return slices.Contains(values, s.hasNote(t.id)) }, nil
	}
	of, ok := s.unifiedText(f.FieldID)
	if !ok {
		return nil, gqlErrorf("Field %q does not exist or not supported for FILTER API call", f.FieldID)
	}
	switch {
	case f.StringEqual != nil:
		return func(_ *console, t *threat) bool { return of(t) == f.StringEqual.Value }, nil
	case f.StringIn != nil:
		return func(_ *console, t *threat) bool { return slices.Contains(f.StringIn.Values, of(t)) }, nil
	case f.Match != nil:
		values := append(slices.Clone(f.Match.Values), f.Match.Value)
		return func(_ *console, t *threat) bool {
			return slices.ContainsFunc(values, func(v string) bool { return v != "" && containsFold(of(t), v) })
		}, nil
	}
	return nil, gqlErrorf("Field %q does not exist or not supported for FILTER API call with this comparison", f.FieldID)
}

func (f gqlFilter) booleans() []bool {
	switch {
	case f.BooleanEqual != nil:
		return []bool{f.BooleanEqual.Value}
	case f.BooleanIn != nil:
		return f.BooleanIn.Values
	}
	return nil
}

// gqlOr is an OrFilterSelectionInput.
type gqlOr struct {
	Or []struct {
		And []gqlFilter `json:"and"`
	} `json:"or"`
}

func (s *console) orPredicate(o *gqlOr) (predicate, error) {
	var groups [][]predicate
	for _, g := range o.Or {
		var all []predicate
		for _, f := range g.And {
			p, err := s.predicateOf(f)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		groups = append(groups, all)
	}
	return func(s *console, t *threat) bool {
		return slices.ContainsFunc(groups, func(all []predicate) bool {
			return !slices.ContainsFunc(all, func(p predicate) bool { return !p(s, t) })
		})
	}, nil
}

// gqlScope is a ScopeSelectorInput.
type gqlScope struct {
	ScopeIDs  []string `json:"scopeIds"`
	ScopeType string   `json:"scopeType"`
}

func (o *gqlScope) predicate() (predicate, error) {
	of := func(h *host) string { return h.account.id }
	switch o.ScopeType {
	case "ACCOUNT":
	case "SITE":
		of = func(h *host) string { return h.site.id }
	case "GROUP":
		of = func(h *host) string { return h.group.id }
	default:
		return nil, gqlErrorf("Validation error: %q is not a valid ScopeType", o.ScopeType)
	}
	return func(s *console, t *threat) bool { return slices.Contains(o.ScopeIDs, of(s.hosts[t.host])) }, nil
}

// unifiedSelection turns the arguments that select alerts into a selection.
func (s *console) unifiedSelection(filters []gqlFilter, or *gqlOr, scope *gqlScope) (selection, error) {
	sel := selection{created: fullSpan(), updated: fullSpan()}
	add := func(p predicate, err error) error {
		if err == nil {
			sel.wanted = append(sel.wanted, p)
		}
		return err
	}
	if or != nil && len(or.Or) == 1 {
		filters, or = append(slices.Clone(filters), or.Or[0].And...), nil
	}
	for _, f := range filters {
		s.narrow(&sel, f)
		if err := add(s.predicateOf(f)); err != nil {
			return sel, err
		}
	}
	if or != nil {
		if err := add(s.orPredicate(or)); err != nil {
			return sel, err
		}
	}
	if scope != nil {
		if err := add(scope.predicate()); err != nil {
			return sel, err
		}
	}
	return sel, nil
}

// narrow lets the indexes do what the predicate alone would visit every alert for.
func (s *console) narrow(sel *selection, f gqlFilter) {
	if f.IsNegated {
		return
	}
	var values []string
	switch {
	case f.DateTimeRange != nil && f.FieldID == "createdAt":
		sel.created = sel.created.and(f.DateTimeRange.span())
	case f.DateTimeRange != nil && f.FieldID == "updatedAt":
		sel.updated = sel.updated.and(f.DateTimeRange.span())
	case f.StringEqual != nil:
		values = []string{f.StringEqual.Value}
	case f.StringIn != nil:
		values = f.StringIn.Values
	}
	if (f.FieldID != "id" && f.FieldID != "externalId") || sel.byIDs || values == nil {
		return
	}
	sel.byIDs = true
	for _, v := range values {
		id, ok := idNumber(v), true
		if f.FieldID == "id" {
			id, ok = s.threatID(v)
		}
		if ok {
			sel.ids = append(sel.ids, id)
		}
	}
}

func (p span) and(q span) span { return span{max(p.from, q.from), min(p.to, q.to)} }

// clampFirst is the page size of a list: the vendor's cap is not known, a thousand is ours.
func clampFirst(first *int) (int, error) {
	if first == nil {
		return 50, nil
	}
	if *first < 1 || *first > 1000 {
		return 0, gqlErrorf("Validation error: first must be from 1 to 1000, not %d", *first)
	}
	return *first, nil
}
