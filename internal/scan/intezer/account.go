package intezer

import (
	"context"
	"net/http"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// Quota reads the allowance of file scans: GET /current-quota-usage (4.1). A
// server or plan that does not tell (no block, 403, 404) is Known false; a quota
// that is null, missing, negative or no number is unlimited.
func (c *Client) Quota(ctx context.Context) (scan.Allowance, error) {
	resp, err := c.http.Do(ctx, httpx.Request{
		Op: "read the quota", Path: "/current-quota-usage", Class: httpx.Read,
		OK: []int{http.StatusForbidden, http.StatusNotFound},
	})
	if err != nil {
		return scan.Allowance{}, err
	}
	if resp.Status/100 != 2 {
		return scan.Allowance{}, nil
	}
	return allowance(resp.Body), nil
}

// allowance reads the body of the quota route.
func allowance(body []byte) scan.Allowance {
	var q struct {
		Result struct {
			Files *struct {
				Quota number `json:"quota"`
				Usage number `json:"usage"`
				Type  text   `json:"type"`
			} `json:"file_scans"`
		} `json:"result"`
	}
	if decode(body, &q) != nil || q.Result.Files == nil {
		return scan.Allowance{}
	}
	f := q.Result.Files
	if !f.Quota.set && !f.Usage.set {
		return scan.Allowance{Type: f.Type.String()}
	}
	a := scan.Allowance{Known: true, Limit: -1, Usage: max(0, f.Usage.int64()), Type: f.Type.String()}
	if f.Quota.set && f.Quota.value >= 0 {
		a.Limit = f.Quota.int64()
	}
	return a
}

// Check asks who we are, GET /accounts/me (1.3), and what we may still spend. The
// identity is the account's name and e-mail as the server gives them; it names a
// user, not an organisation. A key that works is proof enough: an answer without a
// name, or a server without the route, leaves identity "".
func (c *Client) Check(ctx context.Context) (identity string, quota scan.Allowance, err error) {
	resp, err := c.http.Do(ctx, httpx.Request{
		Op: "check the account", Path: "/accounts/me", Class: httpx.Read,
		OK: []int{http.StatusForbidden, http.StatusNotFound},
	})
	if err != nil {
		return "", scan.Allowance{}, err
	}
	if resp.Status/100 == 2 {
		identity = account(resp.Body)
	}
	quota, err = c.Quota(ctx)
	return identity, quota, fault.At(err, name, "")
}

// account reads the name of an account: "name <e-mail>", or what there is of it.
func account(body []byte) string {
	var a struct {
		Result struct {
			ID    text `json:"account_id"`
			Name  text `json:"account_name"`
			Email text `json:"account_email"`
		} `json:"result"`
	}
	_ = decode(body, &a)
	r := a.Result
	switch {
	case r.Name != "" && r.Email != "":
		return r.Name.String() + " <" + r.Email.String() + ">"
	case r.Email != "":
		return r.Email.String()
	case r.Name != "":
		return r.Name.String()
	}
	return r.ID.String()
}
