package lab

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// changeDetail says what a bulk change did to one threat.
type changeDetail struct {
	ThreatID       string `json:"threatId"`
	Result         string `json:"result"`
	AnalystVerdict string `json:"analystVerdict,omitempty"`
}

type changeReply struct {
	Data struct {
		Affected int            `json:"affected"`
		Details  []changeDetail `json:"details"`
	} `json:"data"`
}

// postVerdict is POST /threats/analyst-verdict.
func (s *console) postVerdict(r *http.Request) (any, error) {
	data, filter, err := readBulk[struct {
		AnalystVerdict string `json:"analystVerdict"`
	}](r)
	if err != nil {
		return nil, err
	}
	v, ok := verdictFromREST(data.AnalystVerdict)
	if !ok {
		return nil, badRequest("data.analystVerdict: %q is not a valid verdict", data.AnalystVerdict)
	}
	return s.change(filter, func(slot int32) changeDetail {
		return changeDetail{Result: s.setVerdict(slot, v)}
	})
}

// postIncident is POST /threats/incident: the status, and with it the verdict if given.
func (s *console) postIncident(r *http.Request) (any, error) {
	data, filter, err := readBulk[struct {
		IncidentStatus string `json:"incidentStatus"`
		AnalystVerdict string `json:"analystVerdict"`
	}](r)
	if err != nil {
		return nil, err
	}
	status := slices.Index(statuses(), data.IncidentStatus)
	if status < 0 {
		return nil, badRequest("data.incidentStatus: %q is not a valid status", data.IncidentStatus)
	}
	v, withVerdict := verdictFromREST(data.AnalystVerdict)
	if data.AnalystVerdict != "" && !withVerdict {
		return nil, badRequest("data.analystVerdict: %q is not a valid verdict", data.AnalystVerdict)
	}
	return s.change(filter, func(slot int32) changeDetail {
		d := changeDetail{}
		if withVerdict {
			d.AnalystVerdict = s.setVerdict(slot, v)
		}
		d.Result = s.setStatus(slot, uint8(status))
		return d
	})
}

// change applies one change to all that the filter selects. Affected counts those that did change.
func (s *console) change(filter map[string]string, apply func(slot int32) changeDetail) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots, err := s.chosen(filter)
	if err != nil {
		return nil, err
	}
	var reply changeReply
	reply.Data.Details = []changeDetail{}
	for _, slot := range slots {
		d := apply(slot)
		d.ThreatID = strconv.FormatInt(s.threats[slot].id, 10)
		if d.Result == "updated" || d.AnalystVerdict == "updated" {
			reply.Data.Affected++
		}
		reply.Data.Details = append(reply.Data.Details, d)
	}
	return reply, nil
}

// setStatus and setVerdict return the vendor's word for what happened. A change moves updatedAt.
func (s *console) setStatus(slot int32, status uint8) string {
	if s.threats[slot].status == status {
		return "already_set"
	}
	s.threats[slot].status = status
	s.touch(slot)
	return "updated"
}

func (s *console) setVerdict(slot int32, v uint8) string {
	if t := &s.threats[slot]; restVerdict(t.verdict) == restVerdict(v) {
		return "already_set"
	}
	s.threats[slot].verdict = v
	s.touch(slot)
	return "updated"
}

// postFetchFile is POST /threats/fetch-file, for one threat. Only an online agent can be asked; what it uploads is in s1_fetch.go.
func (s *console) postFetchFile(r *http.Request) (any, error) {
	data, filter, err := readBulk[struct {
		Password string `json:"password"`
	}](r)
	if err != nil {
		return nil, err
	}
	if !strongPassword(data.Password) {
		return nil, badRequest("data.password: must have 10 characters or more, with upper and lower case, a digit and a symbol")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slots, err := s.chosen(filter)
	if err != nil {
		return nil, err
	}
	switch {
	case len(slots) > 1:
		return nil, badRequest("filter: must match exactly one threat")
	case len(slots) == 0 || !s.hosts[s.threats[slots[0]].host].online:
		return affected(0), nil
	}
	s.startFetch(&s.threats[slots[0]], data.Password)
	return affected(1), nil
}

func strongPassword(p string) bool {
	symbol := func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	return len(p) >= 10 && strings.ContainsFunc(p, unicode.IsUpper) && strings.ContainsFunc(p, unicode.IsLower) &&
		strings.ContainsFunc(p, unicode.IsDigit) && strings.ContainsFunc(p, symbol)
}
