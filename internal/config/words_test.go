package config

import (
	"testing"
	"time"
)

func TestDurationsKnowDaysAndWeeks(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "300ms": 300 * time.Millisecond, "72h": 3 * day, "3d": 3 * day, "1w": 7 * day,
		"1w2d12h": 9*day + 12*time.Hour, " 2m ": 2 * time.Minute, "1h30m": 90 * time.Minute, "0d": 0,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "3", "-1h", "-1d", "d", "1.5d", "2d1w", "1d1d", "1d-1h", "99999999999w", "15250w9999999h", "2147483647w", "1 d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q = %v, want an error", text, got)
		}
	}
}

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	known := []string{"token", "tenant", "url", "api_key", "api_id", "key", "client_secret"}
	for word, want := range map[string]string{
		"tokn": "token", "toekn": "token", "TOKEN": "token", "api-key": "api_key", "apikey": "api_key", "ur": "url",
		"client": "client_secret", "secret": "", "x": "", "": "", "ke": "key", "zzz": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
