package cortex

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"edrc/internal/fault"
)

// spoken is which generation of the API the tenant speaks, once that is known.
type spoken struct {
	mu      sync.Mutex
	version string
}

func newSpoken(version string) *spoken { return &spoken{version: version} }

func (s *spoken) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

func (s *spoken) set(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// platform reports whether the tenant speaks of cases and issues (5.x). It is configured,
// or asked for: a tenant of 3.x does not know the call, or does not let the key use it.
func (c *Client) platform(ctx context.Context) (bool, error) {
	if v := c.spoken.get(); v != "" {
		return v == version5, nil
	}
	q := post("ask for the generation of the API", "case/search", permAlerts, search{To: 1}).
		answeredBy(http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound)
	resp, err := c.api.do(ctx, q)
	if err != nil {
		return false, err
	}
	version := version3
	if resp.Status/100 == 2 {
		var out struct {
			Reply map[string]json.RawMessage `json:"reply"`
		}
		if err := resp.Decode(&out); err != nil {
			return false, err
		}
		if _, ok := out.Reply["DATA"]; !ok {
			return false, c.api.fault(fault.Unavailable, q.Op, "the reply has no list of cases").
				WithHint("set `version` of source %s to 3 or 5", c.name)
		}
		version = version5
	}
	c.spoken.set(version)
	return version == version5, nil
}
