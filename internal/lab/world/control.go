package world

import (
	"encoding/json"
	"fmt"
	"time"
)

// Decode reads the body of a command into what its verbs take; see [Vendor]. An empty body
// is an empty object.
func Decode(verb string, body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return nil
}

// Span is a duration in the body of a command, written as "2s"; "" is none.
type Span struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Span) UnmarshalText(text []byte) (err error) {
	if s.Duration = 0; len(text) > 0 {
		s.Duration, err = time.ParseDuration(string(text))
	}
	return err
}
