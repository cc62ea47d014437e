package move

import (
	"context"
	"errors"
	"strings"

	"gosession.dev/session/driver"
)

// tracks reports whether a store keeps marks under old keys. One that is around another
// has the method whatever that can do.
func tracks(store driver.Store) bool {
	for {
		if _, ok := store.(driver.RenameTracker); !ok {
			return false
		}
		if pair, ok := store.(*Store); ok {
			return tracks(pair.new) && tracks(pair.old)
		}
		around, ok := store.(interface{ Unwrap() driver.Store })
		if !ok {
			return true
		}
		store = around.Unwrap()
	}
}

// renamed returns the mark that a store has under key, or ErrNotFound. One that keeps no
// marks has none.
func renamed(ctx context.Context, store driver.Store, key string) (driver.Rename, error) {
	tracker, ok := store.(driver.RenameTracker)
	if !ok {
		return driver.Rename{}, driver.ErrNotFound
	}
	rename, err := tracker.Renamed(ctx, key)
	if errors.Is(err, errors.ErrUnsupported) {
		err = driver.ErrNotFound
	}
	return rename, err
}

// unmarked returns ErrExists if a store has a mark under key.
func unmarked(ctx context.Context, store driver.Store, key string) error {
	_, err := renamed(ctx, store, key)
	if err == nil {
		return driver.ErrExists
	}
	return ignore(err, driver.ErrNotFound)
}

// Renamed implements [driver.RenameTracker] where both stores do. A mark is in the store
// where the record was when it was renamed.
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	if !tracks(s) {
		return driver.Rename{}, errors.ErrUnsupported
	}
	// The record may go from the old store to the new one between the first two looks.
	for _, store := range []driver.Store{s.new, s.old, s.new} {
		rename, err := renamed(ctx, store, key)
		switch {
		case errors.Is(err, driver.ErrNotFound):
			continue
		case err != nil:
			return driver.Rename{}, err
		}
		_, at, err := s.find(ctx, key)
		if err == nil && (at == inOld || at == inNew) {
			err = driver.ErrNotFound
		}
		if err != nil {
			return driver.Rename{}, err
		}
		return rename, nil
	}
	return driver.Rename{}, driver.ErrNotFound
}

// Loses implements [driver.Lossy]: what either store loses.
func (s *Store) Loses() string {
	var all []string
	for _, which := range []struct {
		name  string
		store driver.Store
	}{{"new", s.new}, {"old", s.old}} {
		lossy, ok := which.store.(driver.Lossy)
		if !ok {
			continue
		}
		if loses := lossy.Loses(); loses != "" {
			all = append(all, which.name+": "+loses)
		}
	}
	return strings.Join(all, "; ")
}
