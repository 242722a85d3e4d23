package lab

import (
	"maps"
	"strconv"
)

// State is what happened to the lab so far: the ground truth of tests.
type State struct {
	Intezer EngineState            `json:"intezer"`
	Sources map[string]SourceState `json:"sources"`
}

// EngineState is what the engine was asked for.
type EngineState struct {
	// Scans is the number of analyses that were accepted; each costs quota.
	Scans int `json:"scans"`
	// Lookups is the number of GET /files/{hash} that were answered.
	Lookups int `json:"lookups"`
	// Uploads is the number of POST /analyze whose file could be read, accepted or not.
	Uploads int `json:"uploads"`
	// Requests is the number of all requests, with those that suffered a fault.
	Requests int `json:"requests"`
	// ScansByFile is Scans by SHA-256, under whichever hash they were asked for.
	ScansByFile map[string]int `json:"scans_by_file"`
}

// SourceState is what a console, or another vendor, has and was asked for.
type SourceState struct {
	// Alerts is the number of alerts that a client can see now.
	Alerts   int `json:"alerts"`
	Requests int `json:"requests"`
	// Notes are the texts by threat id, the oldest first, with those that are not shown yet. Threats without notes are absent.
	Notes map[string][]string `json:"notes"`
	// Fetches is the number of requests for a file that were accepted: each makes an agent upload it. Downloads is the number
	// of uploads that were downloaded whole.
	Fetches   int `json:"fetches"`
	Downloads int `json:"downloads"`
	// FetchesByThreat is Fetches by threat id, of consoles alone. Threats without any are absent.
	FetchesByThreat map[string]int `json:"fetches_by_threat"`
	// Isolated are the names of the hosts that are disconnected, see world.State.
	Isolated []string `json:"isolated"`
}

// State returns a copy of the counts of now.
func (l *Lab) State() State {
	out := State{Intezer: l.engine.state(), Sources: map[string]SourceState{}}
	for _, c := range l.consoles {
		out.Sources[c.name] = c.state()
	}
	for _, g := range l.guests {
		out.Sources[g.name] = g.state()
	}
	return out
}

func (e *engine) state() EngineState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return EngineState{
		Scans: e.scans, Lookups: e.lookups, Uploads: e.uploadCount, Requests: e.requests, ScansByFile: maps.Clone(e.scansByFile),
	}
}

func (s *console) state() SourceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := SourceState{Requests: s.requests, Notes: map[string][]string{}, Isolated: s.isolated()}
	out.Fetches, out.Downloads, out.FetchesByThreat = s.fetches.counts()
	now := s.now()
	for _, slot := range s.byID.order {
		if s.threats[slot].visible <= now {
			out.Alerts++
		}
	}
	for id, notes := range s.notes {
		key := strconv.FormatInt(id, 10)
		for _, n := range notes {
			out.Notes[key] = append(out.Notes[key], n.text)
		}
	}
	return out
}
