package cli

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"edrc/internal/config"
	"edrc/internal/sample"
	"edrc/internal/scan"
	"edrc/internal/triage"
)

// fetching is how files are got that the engine does not hold: from the sources of
// svc, by way of the configured spool, by the configured policy.
func (a *app) fetching(cfg *config.Config, svc *triage.Service, o serviceOptions) scan.Fetching {
	return scan.Fetching{Source: svc.SourceOf, Spool: a.spool(cfg),
		Secret:   sync.OnceValues(func() ([]byte, error) { return sample.InstallSecret(cfg.StateDir) }),
		Policy:   uploadPolicy(cfg.Scan.Upload),
		Endpoint: cfg.Fetch.Endpoint || o.endpoint, Poll: cfg.Fetch.Poll, Retry: cfg.Fetch.Retry, GiveUp: cfg.Fetch.GiveUp}
}

// spool opens the configured spool when it is first needed.
func (a *app) spool(cfg *config.Config) func(create bool) (*sample.Spool, error) {
	var mu sync.Mutex
	var spool *sample.Spool
	return func(create bool) (*sample.Spool, error) {
		mu.Lock()
		defer mu.Unlock()
		if spool != nil {
			return spool, nil
		}
		if _, err := os.Stat(cfg.Fetch.Spool); errors.Is(err, fs.ErrNotExist) && !create {
			return nil, nil
		}
		s, err := sample.OpenSpool(cfg.Fetch.Spool)
		if err != nil {
			return nil, fileError("use the spool", cfg.Fetch.Spool, err)
		}
		s.Max = int64(cfg.Fetch.SpoolMax)
		a.closers = append(a.closers, func() { _ = s.Close() })
		spool = s
		return spool, nil
	}
}

// uploadPolicy takes the configuration's rules over.
func uploadPolicy(u config.Upload) scan.UploadPolicy {
	p := scan.UploadPolicy{UploadRule: uploadRule(u.UploadRule), Sources: map[string]scan.UploadRule{}}
	for name, r := range u.Sources {
		own := uploadRule(r)
		if own.Types == nil {
			own.Types = p.Types
		}
		if own.MaxSize == 0 {
			own.MaxSize = p.MaxSize
		}
		p.Sources[name] = own
	}
	return p
}

func uploadRule(r config.UploadRule) scan.UploadRule {
	out := scan.UploadRule{MaxSize: int64(r.MaxSize)}
	if r.Types == nil {
		return out
	}
	out.Types = []sample.Type{}
	for _, t := range r.Types {
		out.Types = append(out.Types, sample.Type(t))
	}
	return out
}
