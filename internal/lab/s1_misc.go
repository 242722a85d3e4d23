package lab

import (
	"net/http"
	"time"
)

func systemStatus(*http.Request) (any, error) {
	return map[string]any{"data": map[string]string{"health": "ok"}}, nil
}

func systemInfo(*http.Request) (any, error) {
	return map[string]any{"data": map[string]string{
		"version": "S-25.1.4", "release": "S", "build": "25.1.4#37", "patch": "1", "latestAgentVersion": "24.2.3.471",
	}}, nil
}

type scopeJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	AccountID   string `json:"accountId,omitempty"`
	AccountName string `json:"accountName,omitempty"`
	State       string `json:"state"`
}

// listAccounts is GET /accounts: the one account of the console.
func (s *console) listAccounts(r *http.Request) (any, error) {
	a := s.hosts[0].account
	return s.scopes(r, "accountIds", []scopeJSON{{ID: a.id, Name: a.name, State: "active"}})
}

// listSites is GET /sites.
func (s *console) listSites(r *http.Request) (any, error) {
	a := s.hosts[0].account
	var out []scopeJSON
	for _, h := range s.hosts[:2] {
		out = append(out, scopeJSON{ID: h.site.id, Name: h.site.name, AccountID: a.id, AccountName: a.name, State: "active"})
	}
	return s.scopes(r, "siteIds", out)
}

func (s *console) scopes(r *http.Request, idParam string, all []scopeJSON) (any, error) {
	params, err := s.knownOnly(r, nameSet("ids name query states "+idParam))
	if err != nil {
		return nil, err
	}
	p, err := newPage(params, []string{"id", "name", "createdAt"}, s.clock())
	if err != nil {
		return nil, err
	}
	items, pages := slicePage(p, all, func(a scopeJSON) (int64, int64) { return 0, idNumber(a.ID) }, s.clock())
	return list{Data: items, Pagination: pages}, nil
}

// knownOnly are the parameters of a list, none of them unknown.
func (s *console) knownOnly(r *http.Request, known map[string]bool) (map[string]string, error) {
	params, err := singleParams(r)
	if err != nil {
		return nil, err
	}
	for _, name := range listParams() {
		known[name] = true
	}
	for name := range params {
		if !known[name] {
			return nil, badRequest("%s: unknown field", name)
		}
	}
	return params, nil
}

// tokenDetails is POST /users/api-token-details: when the token ends.
func (s *console) tokenDetails(r *http.Request) (any, error) {
	var body struct {
		Data struct {
			APIToken string `json:"apiToken"`
		} `json:"data"`
	}
	if err := readStrict(r, &body); err != nil {
		return nil, err
	}
	if body.Data.APIToken != s.token {
		return nil, badRequest("data.apiToken: unknown token")
	}
	day := 24 * time.Hour.Microseconds()
	return map[string]any{"data": map[string]string{
		"createdAt": timeText(s.started - 30*day), "expiresAt": timeText(s.started + 335*day),
	}}, nil
}
