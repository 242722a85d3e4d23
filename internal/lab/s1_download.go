package lab

import (
	"net/http"
	"strconv"
)

// serveDownload is GET /agents/{agent}/uploads/{upload}: the archive that the agent uploaded. One that has expired is a 404.
func (s *console) serveDownload() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.admit("ApiToken", r.Header.Get("Authorization")); !ok {
			writeS1Error(w, &apiError{status: http.StatusUnauthorized, title: "Authentication Failed"})
			return
		}
		p, err := s.parcel(r.PathValue("agent"), r.PathValue("upload"))
		if err != nil {
			writeS1Error(w, asAPIError(err))
			return
		}
		w.Header().Set("Content-Type", "application/zip")
		if p.kind == serveHuge {
			err = p.packHuge(w) // in chunks: nobody knows its length before
		} else {
			err = p.send(w)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetches.downloads++
	})
}

func (p parcel) send(w http.ResponseWriter) error {
	b, err := p.pack()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, err = w.Write(b)
	return err
}

// parcel finds an upload that can be downloaded now.
func (s *console) parcel(agent, upload string) (parcel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleFetches()
	for _, f := range s.fetches.all {
		if f.host.id != agent || strconv.FormatInt(f.id, 10) != upload || f.done == 0 {
			continue
		}
		if f.expired || s.fetches.life > 0 && s.now() >= f.done+s.fetches.life {
			break
		}
		return parcel{
			corpus: s.corpus, kind: s.servesOf(f.threat.file), index: int(f.threat.file),
			path: filePath(s.fileOf(&f.threat), f.host), password: f.password,
		}, nil
	}
	return parcel{}, notFound("upload %s is not there", upload)
}

// servesOf is what agents upload of a file now.
func (s *console) servesOf(file int32) string {
	if kind := s.fetches.serve[file]; kind != "" {
		return kind
	}
	return s.corpus.files[file].serves
}
