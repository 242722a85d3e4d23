package source

import (
	"encoding/json"
	"fmt"
)

// MaxBadRaw bounds what is kept of an item that cannot be read, in bytes.
const MaxBadRaw = 4 << 10

// BadItem is an error for one alert that could not be read; the rest is fine.
type BadItem struct {
	ID     string // "" when not even that could be read
	Reason string
	Raw    json.RawMessage // at most MaxBadRaw bytes of it
}

// Error says which alert and why.
func (b *BadItem) Error() string {
	if b.ID == "" {
		return "an alert cannot be read: " + b.Reason
	}
	return fmt.Sprintf("alert %q cannot be read: %s", b.ID, b.Reason)
}

// Unreadable is the BadItem for an item of a reply; id is "" when not even that can be read.
func Unreadable(id, reason string, raw json.RawMessage) *BadItem {
	return &BadItem{ID: id, Reason: reason, Raw: raw[:min(len(raw), MaxBadRaw)]}
}
