package lab

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// threat is one alert of a console, small because there may be a million of them. What it does not hold is derived from its
// file, its host and its salt when it is rendered.
type threat struct {
	id                        int64
	created, updated, visible int64 // µs since 1970, vendor clock
	file                      int32
	salt                      uint32
	host                      uint8
	status                    uint8 // index of statuses()
	verdict                   uint8 // index of verdicts()
	severity                  uint8 // index of severities()
	hashes                    hashForm
}

// hashForm says which hashes of its file a threat carries: consoles often know one alone, and sometimes a useless one.
type hashForm uint8

const (
	hashAll hashForm = iota
	hashSHA1
	hashSHA256
	hashMD5
	hashNone
	hashZeroSHA1   // a zero sha1 and nothing else
	hashZeroSHA256 // a zero sha256 beside a good sha1
	hashEmpty      // the hashes of no bytes at all
)

func statuses() []string { return []string{"unresolved", "in_progress", "resolved"} }

const (
	statusUnresolved = iota
	statusInProgress
	statusResolved
)

func severities() []string { return []string{"info", "low", "medium", "high", "critical"} }

// confidence is the nearest that the REST API has to a severity.
func (t *threat) confidence() string {
	switch {
	case t.severity >= 3:
		return "malicious"
	case t.severity == 2:
		return "suspicious"
	}
	return "n/a"
}

// drawHashes draws what a console tells of a file.
func drawHashes(rng *rand.Rand) hashForm {
	switch n := rng.IntN(1000); {
	case n < 20:
		return hashNone
	case n < 25:
		return hashZeroSHA1
	case n < 30:
		return hashZeroSHA256
	case n < 40:
		return hashMD5
	case n < 70:
		return hashSHA256
	case n < 540:
		return hashSHA1
	}
	return hashAll
}

// seenHashes is sha256, sha1 and md5 as this threat shows them; "" is null.
func (t *threat) seenHashes(f *file) (sha256, sha1, md5 string) {
	const zero = "0000000000000000000000000000000000000000000000000000000000000000"
	switch t.hashes {
	case hashAll:
		return f.sha256, f.sha1, f.md5
	case hashSHA1:
		return "", f.sha1, ""
	case hashSHA256:
		return f.sha256, "", ""
	case hashMD5:
		return "", "", f.md5
	case hashZeroSHA1:
		return "", zero[:40], ""
	case hashZeroSHA256:
		return zero, f.sha1, ""
	case hashEmpty:
		return "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"da39a3ee5e6b4b0d3255bfef95601890afd80709", "d41d8cd98f00b204e9800998ecf8427e"
	}
	return "", "", ""
}

// The vendor's ids grow with the time; ours count from 1990, in steps of idStep a µs.
const (
	idEpoch = 631_152_000_000_000
	idStep  = 2048
)

// drawID is a 19-digit id that grows with the creation time and cannot be guessed from it.
func drawID(rng *rand.Rand, created int64, taken func(int64) bool) int64 {
	id := (created-idEpoch)*idStep + rng.Int64N(idStep)
	for taken(id) {
		id++
	}
	return id
}

// seeder draws the threats that a console starts with.
type seeder struct {
	rng     *rand.Rand
	corpus  *corpus
	hosts   []*host
	start   int64 // µs
	popular []int // files, the most popular first
	zipf    *rand.Zipf
	late    float64
	lateMax int64 // µs
}

func newSeeder(rng *rand.Rand, c *corpus, hosts []*host, start int64, o Options) *seeder {
	n := len(c.files)
	return &seeder{
		rng: rng, corpus: c, hosts: hosts, start: start, popular: rng.Perm(n),
		zipf: rand.NewZipf(rng, 1.2, 4, uint64(n-1)),
		late: o.LateFraction, lateMax: o.LateMax.Microseconds(),
	}
}

const (
	hour   = int64(3600 * 1e6)
	minute = int64(60 * 1e6)
)

// threats draws n of them. A block shares one timestamp, as happens when an agent that was offline reports.
func (s *seeder) threats(n int) []threat {
	out := make([]threat, n)
	block := s.start - 31*hour + s.rng.Int64N(hour)
	blockLen := min(24, n/4)
	for i := range out {
		t := &out[i]
		s.fill(t)
		t.created = s.start - minute - s.rng.Int64N(70*hour-2*minute)
		if i < blockLen {
			t.created = block
		}
		t.visible = t.created
		late := s.rng.Float64() < s.late
		delay, lag := s.rng.Float64(), s.rng.Float64()
		if late {
			// Visible within the first half of the bound, created at least half of it earlier: never after the start.
			t.visible = s.start + 1 + int64(delay*float64(s.lateMax)/2)
			t.created = t.visible - s.lateMax/2 - int64(lag*float64(s.lateMax)/2)
		}
		t.updated = t.created
		if moved := t.created + s.rng.Int64N(10*minute); !late && moved < s.start {
			t.updated = moved
		}
	}
	if n > 50 {
		out[n/3].hashes = hashEmpty
	}
	s.number(out)
	return out
}

// fill draws all but the times and the id.
func (s *seeder) fill(t *threat) {
	t.file = int32(s.popular[s.zipf.Uint64()])
	t.host = s.hostFor(s.corpus.files[t.file].os)
	t.salt = s.rng.Uint32()
	t.hashes = drawHashes(s.rng)
	t.severity = uint8([]int{4, 4, 3, 3, 3, 3, 2, 2, 1, 0}[s.rng.IntN(10)])
	switch n := s.rng.IntN(100); {
	case n < 4:
		t.status, t.verdict = statusResolved, pick(s.rng, uint8(verdictTrue), uint8(verdictFalse))
	case n < 9:
		t.status = statusInProgress
	}
}

func (s *seeder) hostFor(os string) uint8 {
	for {
		if n := s.rng.IntN(len(s.hosts)); s.hosts[n].os == os {
			return uint8(n)
		}
	}
}

// number gives the ids, and puts the threats in their order.
func (s *seeder) number(ts []threat) {
	taken := make(map[int64]bool, len(ts))
	for i := range ts {
		ts[i].id = drawID(s.rng, ts[i].created, func(id int64) bool { return taken[id] })
		taken[ts[i].id] = true
	}
	slices.SortFunc(ts, func(a, b threat) int { return cmp.Compare(a.id, b.id) })
}
