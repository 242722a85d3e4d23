package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"edrc/internal/fault"
)

// schema is the layout that this edrc writes, and the steps to it from older
// majors: steps[n] turns n into n+1. A minor adds what older readers may ignore.
type schema struct {
	major, minor int
	steps        map[int]func(*bbolt.Tx) error
}

func current() schema { return schema{major: 1, minor: 0} }

func (sc schema) String() string { return fmt.Sprintf("%d.%d", sc.major, sc.minor) }

const schemaKey = "schema"

// stamp creates the buckets and writes the schema.
func (sc schema) stamp(btx *bbolt.Tx) error {
	if err := createBuckets(btx); err != nil {
		return err
	}
	return btx.Bucket(kMeta.name()).Put([]byte(schemaKey), []byte(sc.String()))
}

// errOld asks for a migration, errBare for the buckets.
var (
	errOld  = errors.New("an older schema")
	errBare = errors.New("an empty file")
)

// check compares the file's schema with ours.
func (sc schema) check(btx *bbolt.Tx) (found schema, err error) {
	missing := 0
	for _, b := range openBuckets(btx) {
		if b == nil {
			missing++
		}
	}
	b := btx.Bucket(kMeta.name())
	switch {
	case b != nil:
	case missing < int(kinds):
		return found, &damage{sure: true, cause: errors.New("the schema is gone")}
	default:
		if k, _ := btx.Cursor().First(); k == nil {
			return found, errBare
		}
		return found, fault.Usagef("the file is not an edrc store: it has no schema").
			WithHint("set store.path to a file of its own")
	}
	text := b.Get([]byte(schemaKey))
	if found, err = parseSchema(text); err != nil {
		return found, &damage{sure: true, cause: err}
	}
	switch {
	case found.major > sc.major:
		return found, sc.newer(found)
	case found.major < sc.major, missing > 0 && found.minor < sc.minor:
		return found, errOld
	case missing > 0:
		return found, &damage{sure: true, cause: errors.New("a part of it is gone")}
	}
	return found, nil
}

// newer is the fault for a file that this edrc must not touch.
func (sc schema) newer(found schema) error {
	return fault.Usagef("the store was written by a newer edrc (schema %s, this one knows %d.x)", found, sc.major).
		WithHint("upgrade edrc, or set store.path to another file; the store was not touched")
}

func parseSchema(text []byte) (sc schema, err error) {
	if _, err := fmt.Sscanf(string(text), "%d.%d", &sc.major, &sc.minor); err != nil {
		return schema{}, fmt.Errorf("the schema %q is no version", text)
	}
	return sc, nil
}

// migrate brings an open file forward in one transaction, after a copy.
func (s *Store) migrate(h *handle, from schema) error {
	backup := fmt.Sprintf("%s.v%d.bak", s.path, from.major)
	if err := h.copy(backup); err != nil {
		return fmt.Errorf("copy the store to %s: %w", backup, err)
	}
	return h.db.Update(func(btx *bbolt.Tx) error {
		for v := from.major; v < s.schema.major; v++ {
			step := s.schema.steps[v]
			if step == nil {
				return fault.Usagef("schema %d.x of the store is too old for this edrc", v).
					WithHint("use an edrc in between once, or set the store aside")
			}
			if err := step(btx); err != nil {
				return fmt.Errorf("migrate the store from schema %d: %w", v, err)
			}
		}
		return s.schema.stamp(btx)
	})
}
