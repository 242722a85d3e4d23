package lab

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// fetches is what agents were asked to upload, and when they do.
type fetches struct {
	time, life int64 // µs; life 0: an upload never expires
	all        []*fetch
	back       map[string]int64 // when an agent was switched on, by its id
	serve      map[int32]string // what agents upload of a file, where the control server said so
	downloads  int
}

// fetch is one request for the file of a threat.
type fetch struct {
	id        int64 // of the upload
	threat    threat
	host      *host
	password  string
	requested int64
	done      int64 // when it was uploaded; 0: not yet
	expired   bool
}

func newFetches(o Options) fetches {
	return fetches{
		time: max(o.FetchTime.Microseconds(), 0), life: o.UploadLife.Microseconds(),
		back: map[string]int64{}, serve: map[int32]string{},
	}
}

// counts are what State tells.
func (f *fetches) counts() (fetched, downloads int, byThreat map[string]int) {
	byThreat = map[string]int{}
	for _, one := range f.all {
		byThreat[strconv.FormatInt(one.threat.id, 10)]++
	}
	return len(f.all), f.downloads, byThreat
}

// startFetch has an agent upload a file. A second request is a second upload.
func (s *console) startFetch(t *threat, password string) {
	now := s.now()
	s.fetches.all = append(s.fetches.all, &fetch{
		id: (now-idEpoch)*idStep + int64(len(s.fetches.all)%idStep), threat: *t, host: s.hosts[t.host],
		password: password, requested: now,
	})
}

// settleFetches lets the uploads arrive whose time has come. An agent that went offline uploads when it is back.
func (s *console) settleFetches() {
	for _, f := range s.fetches.all {
		if f.done != 0 || !f.host.online {
			continue
		}
		if at := max(f.requested+s.fetches.time, s.fetches.back[f.host.id]); at <= s.now() {
			f.done = at
		}
	}
}

// activityUpload is the type of the activity that an upload leaves.
const activityUpload = 86

// listActivities is GET /activities. Uploads are all that leaves an activity in the lab.
func (s *console) listActivities(r *http.Request) (any, error) {
	known := nameSet(`userIds activityTypes accountIds groupIds includeHidden activityUuids siteIds ids threatIds userEmails
		ruleIds alertIds agentIds createdAt__between`)
	for _, name := range timeParams("createdAt") {
		known[name] = true
	}
	params, err := s.knownOnly(r, known)
	if err != nil {
		return nil, err
	}
	p, err := newPage(params, []string{"id", "activityType", "createdAt"}, s.clock())
	if err != nil {
		return nil, err
	}
	created, err := createdSpan(params)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleFetches()
	found := []*fetch{}
	for _, f := range s.fetches.all {
		if f.done != 0 && created.holds(f.done) && f.matches(params) {
			found = append(found, f)
		}
	}
	keyOf := func(f *fetch) (key, id int64) {
		if p.sortBy == "createdAt" {
			return f.done, f.id
		}
		return 0, f.id
	}
	slices.SortFunc(found, func(a, b *fetch) int {
		ka, ia := keyOf(a)
		kb, ib := keyOf(b)
		return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(ia, ib))
	})
	found, pages := slicePage(p, found, keyOf, s.clock())
	out := make([]activityJSON, len(found))
	for i, f := range found {
		out[i] = s.activity(f)
	}
	return list{Data: out, Pagination: pages}, nil
}

func createdSpan(params map[string]string) (span, error) {
	created := fullSpan()
	for name, text := range params {
		if field, op, ok := strings.Cut(name, "__"); ok && field == "createdAt" {
			if err := created.bound(op, text); err != nil {
				return created, err
			}
		}
	}
	return created, nil
}

// matches evaluates the filters of GET /activities; those that it does not name are taken and ignored.
func (f *fetch) matches(params map[string]string) bool {
	for name, of := range map[string]string{
		"threatIds": strconv.FormatInt(f.threat.id, 10), "activityTypes": strconv.Itoa(activityUpload), "agentIds": f.host.id,
		"ids": strconv.FormatInt(f.id, 10), "accountIds": f.host.account.id, "siteIds": f.host.site.id, "groupIds": f.host.group.id,
	} {
		if csv, ok := params[name]; ok && !slices.Contains(strings.Split(csv, ","), of) {
			return false
		}
	}
	return true
}
