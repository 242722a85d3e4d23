package lab

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// predicate says whether a threat is wanted. It is called with the console locked.
type predicate func(s *console, t *threat) bool

// filterMaker reads the value of one parameter.
type filterMaker func(csv string) (predicate, error)

// threatFilters are the parameters of GET /threats that the lab evaluates, but for ids and the time bounds.
func threatFilters() map[string]filterMaker {
	status := func(t *threat) string { return statuses()[t.status] }
	confidence := (*threat).confidence
	return map[string]filterMaker{
		"ids":                 func(string) (predicate, error) { return nil, nil },
		"incidentStatuses":    oneOf(statuses(), status, true),
		"incidentStatusesNin": oneOf(statuses(), status, false),
		"confidenceLevels":    oneOf([]string{"malicious", "suspicious", "n/a"}, confidence, true),
		"confidenceLevelsNin": oneOf([]string{"malicious", "suspicious", "n/a"}, confidence, false),
		"analystVerdicts": oneOf([]string{"undefined", "true_positive", "false_positive", "suspicious"},
			func(t *threat) string { return restVerdict(t.verdict) }, true),
		"contentHashes": anyOf(func(s *console, t *threat, want string) bool {
			_, sha1, _ := t.seenHashes(s.fileOf(t))
			return sha1 != "" && strings.EqualFold(sha1, want)
		}),
		"contentHash__contains": anyOf(func(s *console, t *threat, want string) bool {
			_, sha1, _ := t.seenHashes(s.fileOf(t))
			return containsFold(sha1, want)
		}),
		"computerName__contains": anyOf(func(s *console, t *threat, want string) bool {
			return containsFold(s.hosts[t.host].name, want)
		}),
		"query": anyOf(func(s *console, t *threat, want string) bool { return s.mentions(t, want) }),
		"osTypes": anyOf(func(s *console, t *threat, want string) bool {
			return s.hosts[t.host].os == want
		}),
		"agentIds":   anyOf(func(s *console, t *threat, want string) bool { return s.hosts[t.host].id == want }),
		"accountIds": anyOf(func(s *console, t *threat, want string) bool { return s.hosts[t.host].account.id == want }),
		"siteIds":    anyOf(func(s *console, t *threat, want string) bool { return s.hosts[t.host].site.id == want }),
		"groupIds":   anyOf(func(s *console, t *threat, want string) bool { return s.hosts[t.host].group.id == want }),
		"noteExists": boolean(func(s *console, t *threat) bool { return s.hasNote(t.id) }),
		"resolved":   boolean(func(_ *console, t *threat) bool { return t.status == statusResolved }),
		"agentIsActive": boolean(func(s *console, t *threat) bool {
			return s.hosts[t.host].online
		}),
		// One tenant is all there is, whatever the flag says.
		"tenant": boolean(nil),
	}
}

// oneOf is a filter over an enumeration; want false is its Nin form.
func oneOf(allowed []string, of func(*threat) string, want bool) filterMaker {
	return func(csv string) (predicate, error) {
		values := strings.Split(csv, ",")
		for _, v := range values {
			if !slices.Contains(allowed, v) {
				return nil, badRequest("%q is not one of %s", v, strings.Join(allowed, ", "))
			}
		}
		return func(_ *console, t *threat) bool { return slices.Contains(values, of(t)) == want }, nil
	}
}

// anyOf is a filter that one of the values must meet.
func anyOf(match func(s *console, t *threat, want string) bool) filterMaker {
	return func(csv string) (predicate, error) {
		values := strings.Split(csv, ",")
		return func(s *console, t *threat) bool {
			return slices.ContainsFunc(values, func(v string) bool { return match(s, t, v) })
		}, nil
	}
}

// boolean is a filter over a fact; a nil fact is always as wanted.
func boolean(fact func(s *console, t *threat) bool) filterMaker {
	return func(text string) (predicate, error) {
		want, err := parseBool(text)
		if err != nil || fact == nil {
			return nil, err
		}
		return func(s *console, t *threat) bool { return fact(s, t) == want }, nil
	}
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("%q is not a boolean", text)
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// mentions is the full text search.
func (s *console) mentions(t *threat, want string) bool {
	f, h := s.fileOf(t), s.hosts[t.host]
	_, sha1, _ := t.seenHashes(f)
	return containsFold(f.name, want) || containsFold(sha1, want) || containsFold(h.name, want) || h.uuid == want
}

// span is an inclusive range of µs.
type span struct{ from, to int64 }

func fullSpan() span { return span{-1 << 62, 1 << 62} }

func (p span) holds(t int64) bool { return p.from <= t && t <= p.to }

// bound narrows the span by one parameter such as gte=2026-11-22T10:00:00.000000Z.
func (p *span) bound(op, text string) error {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return badRequest("%q is not a time; use 2018-02-27T04:49:26.257525Z", text)
	}
	us := at.UnixMicro()
	switch op {
	case "gt":
		p.from = max(p.from, us+1)
	case "gte":
		p.from = max(p.from, us)
	case "lt":
		p.to = min(p.to, us-1)
	case "lte":
		p.to = min(p.to, us)
	}
	return nil
}

// selection is the filters of a request, whether they came in a query or in the filter object of a write.
type selection struct {
	ids              []int64 // with byIDs
	byIDs            bool
	created, updated span
	wanted           []predicate
}

// newSelection reads filters; names that only shape a list are left to the list.
func (s *console) newSelection(params map[string]string) (selection, error) {
	sel := selection{created: fullSpan(), updated: fullSpan()}
	for name, text := range params {
		if !s.knownParams[name] {
			return sel, badRequest("%s: unknown field", name)
		}
		var err error
		field, op, _ := strings.Cut(name, "__")
		switch {
		case name == "ids":
			sel.byIDs = true
			sel.ids, err = parseIDs(text)
		case field == "createdAt":
			err = sel.created.bound(op, text)
		case field == "updatedAt":
			err = sel.updated.bound(op, text)
		case s.filters[name] != nil:
			var p predicate
			if p, err = s.filters[name](text); p != nil {
				sel.wanted = append(sel.wanted, p)
			}
		}
		if err != nil {
			return sel, err
		}
	}
	return sel, nil
}

func parseIDs(csv string) ([]int64, error) {
	var ids []int64
	for text := range strings.SplitSeq(csv, ",") {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, badRequest("ids: %q is not a valid id", text)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// takes says whether the threat is visible and wanted.
func (sel *selection) takes(s *console, t *threat, now int64) bool {
	if t.visible > now || !sel.created.holds(t.created) || !sel.updated.holds(t.updated) {
		return false
	}
	for _, p := range sel.wanted {
		if !p(s, t) {
			return false
		}
	}
	return true
}

// candidates are the slots that may match, in the order of x. They are only read.
func (sel *selection) candidates(s *console, x *index) []int32 {
	if sel.byIDs {
		var out []int32
		for _, id := range sel.ids {
			if slot, ok := s.slots[id]; ok {
				out = append(out, slot)
			}
		}
		x.sort(out)
		return slices.Compact(out)
	}
	switch x {
	case &s.byCreated:
		return x.between(sel.created)
	case &s.byUpdated:
		return x.between(sel.updated)
	}
	return x.order
}

// between is the part of an index whose keys are in the span.
func (x *index) between(p span) []int32 {
	from := x.position(p.from, -1<<63)
	to := x.position(p.to, 1<<63-1)
	return x.order[from:max(from, to)]
}
