package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one thing that goes wrong, and how often.
type Fault struct {
	// Kind is one of 429, 500, 503, reset, timeout, truncate, html.
	Kind string
	// Place is "" for any request, before it is handled; "before" for writes alone, before they are applied; "after" for
	// writes alone, once they are applied: then only the answer is lost.
	Place string
	// Rate is the share of the requests it may hit, above 0 and at most 1.
	Rate float64
}

// String is the form that [ParseFaults] reads.
func (f Fault) String() string {
	kind := f.Kind
	if f.Place != "" {
		kind += "@" + f.Place
	}
	return kind + "=" + strconv.FormatFloat(f.Rate, 'g', -1, 64)
}

func faultKinds() []string {
	return []string{"429", "500", "503", "reset", "timeout", "truncate", "html"}
}

// ParseFaults reads a list such as "429=0.05,500=0.05,reset@after=0.02". An empty text is no fault.
//
// A plain kind hits any request before it is handled; kind@before and kind@after hit writes alone, and with @after the write
// has been applied. Every request suffers one fault at most, so the rates of a list may not add up to more than 1.
func ParseFaults(text string) ([]Fault, error) {
	var out []Fault
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, rate, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf("fault %q has no rate; write it as %s=0.05", item, item)
		}
		f := Fault{Kind: strings.TrimSpace(name)}
		if kind, place, ok := strings.Cut(f.Kind, "@"); ok {
			if f.Kind, f.Place = kind, place; place == "" {
				return nil, fmt.Errorf("fault %q: after @ comes before or after", item)
			}
		}
		var err error
		if f.Rate, err = strconv.ParseFloat(strings.TrimSpace(rate), 64); err != nil {
			return nil, fmt.Errorf("fault %q: the rate must be a number above 0 and at most 1", item)
		}
		out = append(out, f)
	}
	return out, checkFaults(out)
}

func checkFaults(faults []Fault) error {
	sum := 0.0
	for _, f := range faults {
		switch {
		case !slices.Contains(faultKinds(), f.Kind):
			return fmt.Errorf("fault %q is unknown; the kinds are %s", f.Kind, strings.Join(faultKinds(), ", "))
		case f.Place != "" && f.Place != "before" && f.Place != "after":
			return fmt.Errorf("fault %q: after @ comes before or after, not %q", f, f.Place)
		case f.Kind == "429" && f.Place == "after":
			return fmt.Errorf("fault %q: a vendor that answers 429 has not applied the write; use 429 or 429@before", f)
		case !(f.Rate > 0 && f.Rate <= 1):
			return fmt.Errorf("fault %q: the rate must be above 0 and at most 1", f)
		}
		sum += f.Rate
	}
	if sum > 1+1e-9 {
		return fmt.Errorf("the rates of all faults add up to %g; a request suffers one fault at most, so they may not exceed 1", sum)
	}
	return nil
}

// ParseLate reads "SHARE:MAX", for example "0.05:10m": one alert in twenty becomes visible up to ten minutes after its creation.
// An empty text is none.
func ParseLate(text string) (float64, time.Duration, error) {
	if text == "" {
		return 0, 0, nil
	}
	share, bound, ok := strings.Cut(text, ":")
	if !ok {
		return 0, 0, fmt.Errorf("late %q: write share:max, for example 0.05:10m", text)
	}
	p, err := strconv.ParseFloat(share, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return 0, 0, fmt.Errorf("late %q: the share must be a number from 0 to 1", text)
	}
	d, err := time.ParseDuration(bound)
	if err != nil || d <= 0 {
		return 0, 0, errors.Join(fmt.Errorf("late %q: the bound must be a positive duration such as 10m", text), err)
	}
	return p, d, nil
}

// dice draws the faults. It is the only randomness that depends on the order of requests.
type dice struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults []Fault
}

func newDice(seed uint64, faults []Fault) *dice {
	return &dice{rng: rand.New(rand.NewPCG(seed, 0xfa17)), faults: faults}
}

func (d *dice) set(faults []Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = faults
}

// draw returns the fault that this request suffers, if any, and a number that the reply may vary by.
func (d *dice) draw(write bool) (f Fault, hit bool, pick uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.faults) == 0 {
		return Fault{}, false, 0
	}
	u, pick := d.rng.Float64(), d.rng.Uint64()
	for _, f := range d.faults {
		if f.Place != "" && !write {
			continue
		}
		if u < f.Rate {
			return f, true, pick
		}
		u -= f.Rate
	}
	return Fault{}, false, pick
}
