package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// controlRoutes is the control server. It has no authorization: it listens on loopback and guards nothing but a game.
func (l *Lab) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_lab/state", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, "application/json", l.State())
	})
	mux.HandleFunc("GET /_lab/files", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, "application/json", l.Files())
	})
	mux.Handle("POST /_lab/alerts", control(l.ctlAlerts))
	mux.Handle("POST /_lab/touch", control(l.ctlTouch))
	mux.Handle("POST /_lab/purge", control(l.ctlPurge))
	mux.Handle("POST /_lab/quota", control(l.ctlQuota))
	mux.Handle("POST /_lab/token", control(l.ctlToken))
	mux.Handle("POST /_lab/finish", control(l.ctlFinish))
	mux.Handle("POST /_lab/analysis", control(l.ctlAnalysis))
	mux.Handle("POST /_lab/faults", control(l.ctlFaults))
	mux.Handle("POST /_lab/note", control(l.ctlNote))
	mux.Handle("POST /_lab/agent", control(l.ctlAgent))
	mux.Handle("POST /_lab/fetch", control(l.ctlFetch))
	mux.Handle("POST /_lab/expire", control(l.ctlExpire))
	mux.Handle("POST /_lab/serve", control(l.ctlServe))
	mux.Handle("POST /_lab/upload", control(l.ctlUpload))
	mux.Handle("POST /_lab/vendor", control(l.ctlVendor))
	return mux
}

// control decodes the body of a command, strictly, and writes what it returns. An empty body is an empty object.
func control[T any](do func(T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
		d.DisallowUnknownFields()
		err := d.Decode(&in)
		if r.ContentLength == 0 {
			err = nil
		}
		var out any
		if err == nil {
			out, err = do(in)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, "application/json", map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, "application/json", out)
	})
}

// on calls do with the named console locked; "" is the first one.
func (l *Lab) on(source string, do func(*console) error) error {
	for _, c := range l.consoles {
		if c.name == source || source == "" {
			c.mu.Lock()
			defer c.mu.Unlock()
			return do(c)
		}
	}
	return fmt.Errorf("source %q is unknown", source)
}

// duration is a time.Duration as text.
type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	v, err := time.ParseDuration(text)
	*d = duration(v)
	return err
}

type alertsCommand struct {
	Source     string   `json:"source"`
	Count      int      `json:"count"`
	Age        duration `json:"age"`
	File       *int     `json:"file"`
	EqualTimes bool     `json:"equal_times"`
	SHA        string   `json:"sha"`
	Severity   string   `json:"severity"`
}

// ctlAlerts adds alerts that are visible now.
func (l *Lab) ctlAlerts(c alertsCommand) (any, error) {
	a := addRequest{count: max(c.Count, 1), age: time.Duration(c.Age), file: -1, equalTimes: c.EqualTimes, severity: 3}
	if c.File != nil {
		a.file = *c.File
	}
	forms := map[string]hashForm{
		"": hashAll, "all": hashAll, "sha256": hashSHA256, "sha1": hashSHA1, "md5": hashMD5, "none": hashNone, "zero": hashZeroSHA1,
	}
	form, ok := forms[c.SHA]
	if a.hashes = form; !ok {
		return nil, fmt.Errorf("sha %q must be all, sha256, sha1, md5, none or zero", c.SHA)
	}
	if c.Severity != "" {
		n := slices.Index(severities(), c.Severity)
		if n < 0 {
			return nil, fmt.Errorf("severity %q must be one of %s", c.Severity, strings.Join(severities(), ", "))
		}
		a.severity = uint8(n)
	}
	if a.file >= l.opt.Files || a.count > 100_000 || a.age < 0 {
		return nil, errors.New("file, count or age is out of range")
	}
	var ids []string
	err := l.on(c.Source, func(s *console) error {
		ids = s.addNow(a)
		return nil
	})
	return map[string][]string{"ids": ids}, err
}

type idsCommand struct {
	Source string   `json:"source"`
	IDs    []string `json:"ids"`
	Status string   `json:"status"`
}

// each calls do for every threat of the command; an id that is not there is an error.
func (l *Lab) each(c idsCommand, do func(s *console, slot int32)) (any, error) {
	err := l.on(c.Source, func(s *console) error {
		for _, id := range c.IDs {
			slot, ok := s.slots[idNumber(id)]
			if !ok {
				return fmt.Errorf("threat %s is unknown", id)
			}
			do(s, slot)
		}
		return nil
	})
	return map[string]int{"affected": len(c.IDs)}, err
}

// ctlTouch moves updatedAt, and sets the status if one is given.
func (l *Lab) ctlTouch(c idsCommand) (any, error) {
	status := slices.Index(statuses(), c.Status)
	if c.Status != "" && status < 0 {
		return nil, fmt.Errorf("status %q must be one of %s", c.Status, strings.Join(statuses(), ", "))
	}
	return l.each(c, func(s *console, slot int32) {
		if status >= 0 {
			s.threats[slot].status = uint8(status)
		}
		s.touch(slot)
	})
}

// ctlPurge removes threats.
func (l *Lab) ctlPurge(c idsCommand) (any, error) {
	return l.each(c, (*console).purge)
}

type quotaCommand struct {
	Quota *int `json:"quota"`
	Usage *int `json:"usage"`
}

// ctlQuota sets the quota, the usage, or both.
func (l *Lab) ctlQuota(c quotaCommand) (any, error) {
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.Quota != nil {
		e.quota = *c.Quota
	}
	if c.Usage != nil {
		e.usage = *c.Usage
	}
	return map[string]int{"quota": e.quota, "usage": e.usage}, nil
}

type tokenCommand struct {
	Source string `json:"source"`
	Valid  bool   `json:"valid"`
}

// ctlToken revokes the token of a console or brings it back. Source intezer means the key; its tokens end either way.
func (l *Lab) ctlToken(c tokenCommand) (any, error) {
	if c.Source == "intezer" {
		l.engine.mu.Lock()
		defer l.engine.mu.Unlock()
		l.engine.keyValid = c.Valid
		clear(l.engine.tokens)
		return map[string]bool{"valid": c.Valid}, nil
	}
	err := l.on(c.Source, func(s *console) error {
		s.tokenValid = c.Valid
		return nil
	})
	return map[string]bool{"valid": c.Valid}, err
}

// ctlFinish ends every running analysis.
func (l *Lab) ctlFinish(struct{}) (any, error) {
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	l.engine.finishAll()
	return map[string]bool{"ok": true}, nil
}

type analysisCommand struct {
	Time duration `json:"time"`
}

// ctlAnalysis sets how long an analysis runs, those that run already included.
func (l *Lab) ctlAnalysis(c analysisCommand) (any, error) {
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	l.engine.analysisTime = max(time.Duration(c.Time), 0)
	return map[string]string{"time": l.engine.analysisTime.String()}, nil
}

type faultsCommand struct {
	Faults string `json:"faults"`
}

// ctlFaults replaces the faults.
func (l *Lab) ctlFaults(c faultsCommand) (any, error) {
	faults, err := ParseFaults(c.Faults)
	if err != nil {
		return nil, err
	}
	l.dice.set(faults)
	return map[string]int{"faults": len(faults)}, nil
}

type noteCommand struct {
	Source string `json:"source"`
	ID     string `json:"id"`
	Text   string `json:"text"`
}

// ctlNote plants a note by another tool; it is shown at once.
func (l *Lab) ctlNote(c noteCommand) (any, error) {
	return l.each(idsCommand{Source: c.Source, IDs: []string{c.ID}}, func(s *console, slot int32) {
		s.addNote(slot, c.Text, "PLAIN_TEXT", 0)
	})
}
