package aws

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// listRequest is the body of ListFindings.
type listRequest struct {
	Criteria struct {
		Criterion map[string]condition `json:"criterion"`
	} `json:"findingCriteria"`
	Sort struct {
		Attribute string `json:"attributeName"`
		Order     string `json:"orderBy"`
	} `json:"sortCriteria"`
	MaxResults *int   `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

// cachedList is the last list that was asked for, for its further pages.
type cachedList struct {
	query   string
	version int
	found   []*finding
}

// listFindings gives ids. A token is a place in the list as it is now: a finding that
// leaves the list in mid-walk shifts the rest.
func (v *Vendor) listFindings(d *detector, body []byte) (any, *apiError) {
	var in listRequest
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		return nil, badRequest("the body is invalid: %v", err)
	}
	size := maxIDs
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > maxIDs {
		return nil, badRequest("maxResults must be 1 to 50.")
	}
	if failed := v.checkCriteria(in.Criteria.Criterion); failed != nil {
		return nil, failed
	}
	query, _ := json.Marshal([]any{in.Criteria, in.Sort})
	start, ok := v.offset(in.NextToken, d, string(query))
	if !ok {
		return nil, badRequest("the nextToken is invalid.")
	}
	found, failed := v.filter(d, string(query), in)
	if failed != nil {
		return nil, failed
	}
	start = min(start, len(found))
	ids := []string{}
	for _, f := range found[start:min(start+size, len(found))] {
		ids = append(ids, f.id)
	}
	next := ""
	if end := start + len(ids); end < len(found) {
		next = v.token(end, d, string(query))
	}
	return map[string]any{"findingIds": ids, "nextToken": next}, nil
}

func (v *Vendor) filter(d *detector, query string, in listRequest) ([]*finding, *apiError) {
	if d.cached.query == query && d.cached.version == v.version && d.cached.found != nil {
		return d.cached.found, nil
	}
	less, ok := orders()[cmpOr(in.Sort.Attribute, "updatedAt")]
	if !ok || in.Sort.Order != "" && in.Sort.Order != "ASC" && in.Sort.Order != "DESC" {
		return nil, badRequest("the sortCriteria is invalid.")
	}
	found := []*finding{}
	for _, f := range v.order {
		if d.shows(f) && v.matches(f, in.Criteria.Criterion) {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, less)
	if in.Sort.Order == "DESC" {
		slices.Reverse(found)
	}
	d.cached = cachedList{query, v.version, found}
	return found, nil
}

func orders() map[string]func(a, b *finding) int {
	return map[string]func(a, b *finding) int{
		"updatedAt": func(a, b *finding) int { return a.updated.Compare(b.updated) },
		"createdAt": func(a, b *finding) int { return a.created.Compare(b.created) },
		"severity":  func(a, b *finding) int { return cmp.Compare(a.severity, b.severity) },
		"id":        func(a, b *finding) int { return strings.Compare(a.id, b.id) },
	}
}

// token is opaque, and good for its own query alone.
func (v *Vendor) token(at int, d *detector, query string) string {
	text := fmt.Sprintf("%d/%s", at, digest(v.secret, d.id, query, strconv.Itoa(at))[:24])
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func (v *Vendor) offset(token string, d *detector, query string) (int, bool) {
	if token == "" {
		return 0, true
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	number, _, _ := strings.Cut(string(raw), "/")
	at, _ := strconv.Atoi(number)
	return at, err == nil && v.token(at, d, query) == token
}
