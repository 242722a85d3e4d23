package lab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// console is one SentinelOne console as data. The s1_*.go files put HTTP before it.
type console struct {
	name, token string
	clock       func() time.Time
	corpus      *corpus
	started     int64 // µs
	idKey       int64 // turns threat ids into alert UUIDs and back
	filters     map[string]filterMaker
	knownParams map[string]bool
	agentParams map[string]bool

	mu         sync.Mutex
	rng        *rand.Rand
	tokenValid bool
	hosts      []*host
	threats    []threat
	slots      map[int64]int32 // by threat id
	byCreated  index
	byUpdated  index
	byID       index
	notes      map[int64][]note // by threat id
	lastNoteID int64
	noteLag    time.Duration
	echo       bool
	mutate     bool
	requests   int
	fetches    fetches
}

func newConsole(name string, n int, c *corpus, o Options, clock func() time.Time) *console {
	rng := rand.New(rand.NewPCG(o.Seed, 0x51+uint64(n)))
	start := clock().UnixMicro()
	s := &console{
		name: name, token: newToken(rng), tokenValid: true, clock: clock, corpus: c, started: start,
		idKey: rng.Int64N(1 << 62), filters: threatFilters(), knownParams: threatParams(), agentParams: agentParams(),
		rng: rng, hosts: newHosts(rng, n, start), slots: map[int64]int32{}, notes: map[int64][]note{},
		noteLag: o.NoteLag, echo: o.Echo, mutate: o.Mutate, fetches: newFetches(o),
	}
	of := func(slot int32) *threat { return &s.threats[slot] }
	s.byCreated = index{key: func(t *threat) int64 { return t.created }, of: of}
	s.byUpdated = index{key: func(t *threat) int64 { return t.updated }, of: of}
	s.byID = index{key: func(t *threat) int64 { return t.id }, of: of}
	s.add(newSeeder(rng, c, s.hosts, start, o).threats(max(o.Alerts, 0)))
	s.plantForeignNotes()
	return s
}

// newToken looks like the vendor's: a JWT.
func newToken(rng *rand.Rand) string {
	token := "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9."
	for range 6 {
		token += fmt.Sprintf("%016x", rng.Uint64())
	}
	return token + fmt.Sprintf(".%016x%016x", rng.Uint64(), rng.Uint64())
}

// add puts threats into the console and its indexes.
func (s *console) add(ts []threat) {
	slots := make([]int32, len(ts))
	for i := range ts {
		slots[i] = int32(len(s.threats) + i)
		s.slots[ts[i].id] = slots[i]
	}
	s.threats = append(s.threats, ts...)
	for _, x := range []*index{&s.byCreated, &s.byUpdated, &s.byID} {
		if len(slots) > 64 {
			x.extend(slots)
			continue
		}
		for _, slot := range slots {
			x.insert(slot)
		}
	}
}

// now is the vendor's clock in µs.
func (s *console) now() int64 { return s.clock().UnixMicro() }

// find returns a threat that a client can see now.
func (s *console) find(id string) (*threat, int32, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, 0, false
	}
	slot, ok := s.slots[n]
	if !ok || s.threats[slot].visible > s.now() {
		return nil, 0, false
	}
	return &s.threats[slot], slot, true
}

// touch moves the updatedAt of a threat to now. It never moves back.
func (s *console) touch(slot int32) {
	t := &s.threats[slot]
	s.byUpdated.remove(slot)
	t.updated = max(t.updated, s.now())
	s.byUpdated.insert(slot)
}

// purge makes a threat disappear, as retention or an administrator does.
func (s *console) purge(slot int32) {
	for _, x := range []*index{&s.byCreated, &s.byUpdated, &s.byID} {
		x.remove(slot)
	}
	id := s.threats[slot].id
	delete(s.slots, id)
	delete(s.notes, id)
}

// drift lets one threat in some reads change by itself, when the lab is asked to.
func (s *console) drift() {
	if !s.mutate || len(s.byID.order) == 0 || s.rng.IntN(3) > 0 {
		return
	}
	slot := s.byID.order[s.rng.IntN(len(s.byID.order))]
	t := &s.threats[slot]
	if t.visible > s.now() {
		return
	}
	t.status = uint8(s.rng.IntN(len(statuses())))
	s.touch(slot)
}

// fileOf is the file of a threat.
func (s *console) fileOf(t *threat) *file { return &s.corpus.files[t.file] }

// addRequest is what a new threat of the control server looks like.
type addRequest struct {
	count      int
	age        time.Duration
	file       int // -1: a random one each
	equalTimes bool
	hashes     hashForm
	severity   uint8
}

// addNow adds threats that are visible now and were created age ago; it returns their ids.
func (s *console) addNow(a addRequest) []string {
	seeder := newSeeder(s.rng, s.corpus, s.hosts, s.now(), Options{})
	created := s.now() - a.age.Microseconds()
	ts, ids := make([]threat, a.count), make([]string, a.count)
	taken := map[int64]bool{}
	for i := range ts {
		t := &ts[i]
		seeder.fill(t)
		if a.file >= 0 {
			t.file = int32(a.file)
			t.host = seeder.hostFor(s.fileOf(t).os)
		}
		t.hashes, t.severity, t.status, t.verdict = a.hashes, a.severity, statusUnresolved, verdictUndefined
		t.created = created
		if !a.equalTimes {
			t.created += int64(i)
		}
		t.updated, t.visible = t.created, t.created
		t.id = drawID(s.rng, t.created, func(id int64) bool {
			_, there := s.slots[id]
			return there || taken[id]
		})
		taken[t.id] = true
		ids[i] = strconv.FormatInt(t.id, 10)
	}
	s.add(ts)
	return ids
}

// isolated are the names of the hosts that are cut off.
func (s *console) isolated() []string {
	out := []string{}
	for _, h := range s.hosts {
		if h.network == "disconnected" {
			out = append(out, h.name)
		}
	}
	slices.Sort(out)
	return out
}
