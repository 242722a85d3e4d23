package lab

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// tokenLife is how long an access token of the engine works.
const tokenLife = time.Hour

// engine is the Intezer engine as data. The intezer_*.go files put HTTP before it.
type engine struct {
	apiKey, accountID string
	clock             func() time.Time
	corpus            *corpus
	started           time.Time

	mu           sync.Mutex
	rng          *rand.Rand
	keyValid     bool
	tokens       map[string]time.Time // until when
	analysisTime time.Duration
	quota, usage int
	rules        uploadRules
	uploadCount  int
	files        []fileState // by file of the corpus, then uploads that the corpus does not know
	uploads      []file
	byHash       map[string]int
	analyses     map[string]*analysis
	order        []*analysis // as they were accepted
	scans        int
	scansByFile  map[string]int
	lookups      int
	requests     int
}

// fileState is what the engine has of a file now.
type fileState struct {
	latest   *analysis // the last that succeeded; nil: none of this organisation's
	running  *analysis
	expired  bool
	bytes    bool // analyse-by-hash works
	accessed bool // the public item was looked at, and paid for
	attempts int
}

// analysis is one run over one file.
type analysis struct {
	id      string
	file    int
	started time.Time
	done    time.Time // zero while it runs
	failed  bool
	polls   int
	name    string // file_name of the submit, if it gave one
}

func newEngine(c *corpus, o Options, clock func() time.Time) *engine {
	rng := rand.New(rand.NewPCG(o.Seed, 0x172e2e4))
	e := &engine{
		apiKey: randomUUID(rng), accountID: randomUUID(rng), clock: clock, corpus: c, started: clock(), rng: rng, keyValid: true,
		tokens: map[string]time.Time{}, analysisTime: o.AnalysisTime, quota: o.Quota,
		rules: uploadRules{max: maxUpload}, files: make([]fileState, len(c.files)),
		byHash: make(map[string]int, len(c.byHash)), analyses: map[string]*analysis{}, scansByFile: map[string]int{},
	}
	for h, i := range c.byHash {
		e.byHash[h] = i
	}
	for i := range c.files {
		e.files[i] = e.initialState(i)
	}
	return e
}

// initialState gives a file the past that the corpus deals it.
func (e *engine) initialState(i int) fileState {
	f := &e.corpus.files[i]
	var age time.Duration
	switch f.held {
	case holdsPublic:
		return fileState{bytes: true}
	case holdsNothing:
		return fileState{}
	case holdsPrivate:
		age = time.Hour + time.Duration(e.rng.Int64N(int64(10*24*time.Hour)))
	case holdsStale:
		age = 60 * 24 * time.Hour
	case holdsExpired:
		return fileState{bytes: true, expired: true}
	}
	at := e.started.Add(-age)
	a := &analysis{id: stableUUID("earlier/" + f.sha256), file: i, started: at.Add(-time.Minute), done: at}
	e.analyses[a.id] = a
	e.order = append(e.order, a)
	return fileState{latest: a, bytes: true}
}

func randomUUID(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&(1<<48-1))
}

// file is the description of a file that the engine knows.
func (e *engine) file(i int) *file {
	if n := len(e.corpus.files); i >= n {
		return &e.uploads[i-n]
	}
	return &e.corpus.files[i]
}

// settle ends an analysis whose time has come.
func (e *engine) settle(a *analysis) {
	if !a.done.IsZero() {
		return
	}
	now := e.clock()
	if e.analysisTime > 0 && now.Sub(a.started) < e.analysisTime || e.analysisTime == 0 && a.polls < 2 {
		return
	}
	e.finish(a, now)
}

func (e *engine) finish(a *analysis, now time.Time) {
	a.done = now
	st := &e.files[a.file]
	if st.running == a {
		st.running = nil
	}
	if !a.failed {
		st.latest, st.expired = a, false
	}
}

// runningOf is the analysis of a file that has not ended.
func (e *engine) runningOf(i int) *analysis {
	if a := e.files[i].running; a != nil {
		e.settle(a)
	}
	return e.files[i].running
}

// submit starts an analysis of a file that the engine holds, or says why not. Every accepted one is paid for.
func (e *engine) submit(i int, name string) (*analysis, error) {
	if a := e.runningOf(i); a != nil {
		return a, &apiError{status: http.StatusConflict, title: "running"}
	}
	if e.file(i).skipped {
		return nil, &apiError{status: http.StatusConflict, title: "skipped"}
	}
	if e.usage >= e.quota {
		return nil, quotaExhausted()
	}
	e.charge(i)
	st := &e.files[i]
	st.attempts++
	st.bytes = true
	a := &analysis{
		id:   stableUUID(fmt.Sprintf("analysis/%d/%s/%d", e.corpus.seed, e.file(i).sha256, st.attempts)),
		file: i, started: e.clock(), failed: e.file(i).failsOnce && st.attempts == 1, name: name,
	}
	st.running = a
	e.analyses[a.id] = a
	e.order = append(e.order, a)
	return a, nil
}

// charge books one scan.
func (e *engine) charge(i int) {
	e.usage++
	e.scans++
	e.scansByFile[e.file(i).sha256]++
}

func quotaExhausted() error {
	return &apiError{status: http.StatusForbidden, title: "Account has reached action quota"}
}

// fileOf is the file with this content; content that the world does not have becomes a file of its own.
func (e *engine) fileOf(d fingerprint, name string) int {
	if i, ok := e.byHash[d.sha256]; ok {
		return i
	}
	f := file{
		sha256: d.sha256, sha1: d.sha1, md5: d.md5, size: d.size, name: name, verdict: "unknown", subVerdict: "unique",
		kind: fileKind{fileType: "non executable"},
	}
	e.uploads = append(e.uploads, f)
	e.files = append(e.files, fileState{})
	i := len(e.files) - 1
	for _, k := range []string{f.sha256, f.sha1, f.md5} {
		e.byHash[k] = i
	}
	return i
}

// finishAll ends every analysis that runs.
func (e *engine) finishAll() {
	for i := range e.files {
		if a := e.files[i].running; a != nil {
			e.finish(a, e.clock())
		}
	}
}
