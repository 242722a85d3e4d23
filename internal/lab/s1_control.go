package lab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type agentCommand struct {
	Source string `json:"source"`
	ID     string `json:"id"`     // of the agent, or
	Host   string `json:"host"`   // its name, or
	Threat string `json:"threat"` // the id of a threat on it
	Online bool   `json:"online"`
}

// ctlAgent takes an agent offline or brings it back. What it was asked to upload before, it uploads then.
func (l *Lab) ctlAgent(c agentCommand) (any, error) {
	out := map[string]any{"online": c.Online}
	err := l.on(c.Source, func(s *console) error {
		h := s.hostThat(c)
		if h == nil {
			return errors.New("no agent has this id, this host name, or a threat of this id")
		}
		s.settleFetches() // what it had done before stays done
		if c.Online && !h.online {
			s.fetches.back[h.id] = s.now()
		}
		h.online = c.Online
		out["id"], out["host"] = h.id, h.name
		return nil
	})
	return out, err
}

func (s *console) hostThat(c agentCommand) *host {
	if _, slot, ok := s.find(c.Threat); ok {
		return s.hosts[s.threats[slot].host]
	}
	i := slices.IndexFunc(s.hosts, func(h *host) bool {
		return c.ID != "" && h.id == c.ID || c.Host != "" && strings.EqualFold(h.name, c.Host)
	})
	if i < 0 {
		return nil
	}
	return s.hosts[i]
}

type fetchCommand struct {
	Source string   `json:"source"`
	Time   duration `json:"time"`
}

// ctlFetch sets how long an upload takes, those under way included.
func (l *Lab) ctlFetch(c fetchCommand) (any, error) {
	err := l.on(c.Source, func(s *console) error {
		s.settleFetches()
		s.fetches.time = max(time.Duration(c.Time).Microseconds(), 0)
		return nil
	})
	return map[string]string{"time": time.Duration(c.Time).String()}, err
}

// ctlExpire ends the uploads of these threats, or all of them: they cannot be downloaded any more.
func (l *Lab) ctlExpire(c idsCommand) (any, error) {
	n := 0
	err := l.on(c.Source, func(s *console) error {
		s.settleFetches()
		for _, f := range s.fetches.all {
			of := len(c.IDs) == 0 || slices.Contains(c.IDs, strconv.FormatInt(f.threat.id, 10))
			if of && f.done != 0 && !f.expired {
				f.expired = true
				n++
			}
		}
		return nil
	})
	return map[string]int{"affected": n}, err
}

type serveCommand struct {
	File int    `json:"file"`
	As   string `json:"as"`
}

// ctlServe sets what the agents of every console upload of a file; "" is what was dealt.
func (l *Lab) ctlServe(c serveCommand) (any, error) {
	if c.As != "" && !slices.Contains(serveKinds(), c.As) {
		return nil, fmt.Errorf("as %q must be one of %s", c.As, strings.Join(serveKinds(), ", "))
	}
	if c.File < 0 || c.File >= l.opt.Files {
		return nil, errors.New("file is out of range")
	}
	for _, s := range l.consoles {
		s.mu.Lock()
		s.fetches.serve[int32(c.File)] = c.As
		s.mu.Unlock()
	}
	return map[string]string{"serves": l.serves(c.File)}, nil
}

// serves is what the agents upload of a file; the consoles never differ. Without any it is
// what was dealt.
func (l *Lab) serves(i int) string {
	if len(l.consoles) == 0 {
		return l.engine.corpus.files[i].serves
	}
	s := l.consoles[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servesOf(int32(i))
}
