package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Options says how large the simulated world is and how badly it behaves. The zero value of a field means its default.
type Options struct {
	// Listen is the loopback address of the first vendor; the other servers take a free port of the same host. A fixed
	// port keeps the console's identity over restarts. Default "127.0.0.1:0".
	Listen string
	// Alerts is the number of threats on each console, and of alerts of every other product, default 400. Below zero: none.
	Alerts int
	// Files is the number of distinct files that the alerts are about, default 60.
	Files int
	// Seed decides everything that is drawn, default 1.
	Seed uint64
	// Sources is the number of consoles, default 1. They share the files; their alerts and hosts differ.
	Sources int
	// Products are those of [Products] that the world has, or "all". Default: SentinelOne alone.
	Products []string
	// StorePath, if set, is written into the configuration as store.path.
	StorePath string

	// Latency is added to every vendor reply.
	Latency time.Duration
	// Faults is what goes wrong, and how often. See [ParseFaults].
	Faults []Fault
	// LateFraction of the alerts becomes visible only after the start, although created up to LateMax before that moment.
	LateFraction float64
	// LateMax bounds how long after its creation a late alert becomes visible.
	LateMax time.Duration
	// NoteLag is how long a posted note stays invisible to every read, and cannot be deleted.
	NoteLag time.Duration
	// Echo lets a note move the updatedAt of its threat, as some consoles do.
	Echo bool
	// Mutate lets threats change by themselves while lists are read.
	Mutate bool
	// AnalysisTime is how long an analysis runs. Zero: the first poll finds it running, the second finds it done.
	AnalysisTime time.Duration
	// FetchTime is how long an agent takes to upload a file, default 200 ms. Below zero: no time at all.
	FetchTime time.Duration
	// UploadLife is how long an uploaded file can be downloaded. Zero: for ever.
	UploadLife time.Duration
	// Huge, if not 0, is the size in bytes of one file that the engine does not have: at least 1 MiB, at most 1 GiB.
	Huge int
	// Quota is the number of file scans that the Intezer account has in a month, default 500.
	Quota int
	// Skew is how far the vendors' clocks are ahead of ours: in the Date header and in every timestamp.
	Skew time.Duration
	// Now is our clock, default time.Now.
	Now func() time.Time
}

// withDefaults returns o completed, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if len(o.Products) == 0 {
		o.Products = []string{productS1}
	}
	o.Alerts = orDefault(o.Alerts, 400)
	o.Files = orDefault(o.Files, 60)
	o.Sources = orDefault(o.Sources, 1)
	o.Quota = orDefault(o.Quota, 500)
	if o.FetchTime == 0 {
		o.FetchTime = 200 * time.Millisecond
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, o.check()
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

func (o Options) check() error {
	if _, err := loopbackHost(o.Listen); err != nil {
		return err
	}
	if err := o.checkProducts(); err != nil {
		return err
	}
	switch {
	case o.Files < 1 || o.Files > 100_000:
		return fmt.Errorf("lab: files must be 1 to 100000, not %d", o.Files)
	case o.Alerts > 1_000_000:
		return fmt.Errorf("lab: alerts must be at most 1000000, not %d", o.Alerts)
	case o.Huge != 0 && (o.Huge < 1<<20 || o.Huge > 1<<30):
		return fmt.Errorf("lab: huge must be 1 MiB to 1 GiB, not %d bytes", o.Huge)
	case o.Sources < 1 || o.Sources > 50:
		return fmt.Errorf("lab: sources must be 1 to 50, not %d", o.Sources)
	case o.LateFraction < 0 || o.LateFraction > 1:
		return fmt.Errorf("lab: the share of late alerts must be 0 to 1, not %g", o.LateFraction)
	case o.LateFraction > 0 && o.LateMax <= 0:
		return errors.New("lab: late alerts need a bound on how late, for example 0.05:10m")
	case o.Latency < 0 || o.NoteLag < 0 || o.AnalysisTime < 0 || o.UploadLife < 0:
		return errors.New("lab: latency, note lag, analysis time and upload life must not be negative")
	}
	return checkFaults(o.Faults)
}

// loopbackHost is the host part of addr. The lab serves hostile names and has an open control port: it never leaves the machine.
func loopbackHost(addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("lab: listen address %q: %w", addr, err)
	}
	if host == "localhost" {
		return host, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return "", fmt.Errorf("lab: listen address %q is not a loopback address; use 127.0.0.1:PORT or [::1]:PORT", addr)
	}
	return host, nil
}
