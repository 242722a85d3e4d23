package sentinelone

import (
	"errors"
	"slices"
)

// idFilter selects alerts of a write. The vendor takes an empty filter to mean
// everything in scope, so there is no way to make one.
type idFilter struct {
	IDs []string `json:"ids"`
}

func newIDFilter(ids ...string) (idFilter, error) {
	if len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return !isID(id) }) {
		return idFilter{}, errors.New("an alert to change is not a threat of this console")
	}
	return idFilter{ids}, nil
}

// bulk is the body of a write on many threats.
type bulk struct {
	Data   map[string]string `json:"data"`
	Filter idFilter          `json:"filter"`
}
