package report

import (
	"testing"
	"time"

	"edrc/internal/fault"
)

func TestAgeIsOneUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59 * time.Second: "59s", 12*time.Minute + 59*time.Second: "12m",
		time.Hour: "1h", 23 * time.Hour: "23h", 3 * day: "3d", 400 * day: "400d", 800 * day: "2y",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestParseTimeKnowsTheAnalystsForms(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 11, 22, 14, 43, 5, 6, zone)
	for in, want := range map[string]string{
		"30m": "2026-11-22T14:13:05+02:00", "24h": "2026-11-21T14:43:05+02:00", "7D": "2026-11-15T14:43:05+02:00",
		"2w": "2026-11-08T14:43:05+02:00", "1d12h": "2026-11-21T02:43:05+02:00", "0m": "2026-11-22T14:43:05+02:00",
		"today": "2026-11-22T00:00:00+02:00", " Yesterday ": "2026-11-21T00:00:00+02:00", "now": "2026-11-22T14:43:05+02:00",
		"2026-11-01": "2026-11-01T00:00:00+02:00", "2026-11-01 14:00": "2026-11-01T14:00:00+02:00",
		"2026-11-01T14:00:00Z": "2026-11-01T14:00:00Z", "2026-11-01t14:00:00.5-05:00": "2026-11-01T14:00:00-05:00",
		"1793541600": "2026-11-01T16:00:00+02:00",
	} {
		got, err := ParseTime(in, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("ParseTime(%q) = %v, %v, want %s", in, got.Format(time.RFC3339), err, want)
		}
	}
}

func TestParseTimeRefusesWithTheForms(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 43, 0, 0, time.UTC)
	for _, in := range []string{"", "7", "d", "7x", "-7d", "7 d", "1.5h", "99999999999d", "5000w9999w", "2026", "1793541600000", "tomorrow", "2026-13-01"} {
		if got, err := ParseTime(in, now); !fault.Is(err, fault.Usage) {
			t.Errorf("ParseTime(%q) = %v, %v", in, got, err)
		}
	}
	_, err := ParseTime("soon", now)
	mustFail(t, err, fault.Usage, `"soon" is not a time: 30m, 24h, 7d or 2w back from now, today, yesterday, 2026-11-01, "2026-11-01 14:00", 2026-11-01T14:00:00Z or unix seconds`)
}

func FuzzParseTimeIsNeverAheadWhenRelative(f *testing.F) {
	for _, s := range []string{"30m", "1d12h", "2026-11-01", "2026-11-01T14:00:00Z", "1793541600", "9999999999w", "0s"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 14, 43, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, now)
		if err != nil {
			if !fault.Is(err, fault.Usage) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if _, ok := parseBack(s); ok && (got.After(now) || now.Sub(got) > maxBack) {
			t.Fatalf("%q is %v", s, got)
		}
	})
}
