package move

import (
	"context"
	"errors"
	"strings"

	"gosession.dev/session/driver"
)

// tracks reports whether a store keeps marks under old keys.
func tracks(store driver.Store) bool { return Capable[driver.RenameTracker](store) }

// renamed returns the mark that a store has under key. The error is ErrNotFound if there is none,
// also if the store keeps no marks.
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

// checkUnmarked returns ErrExists if a store has a mark under key.
func checkUnmarked(ctx context.Context, store driver.Store, key string) error {
	_, err := renamed(ctx, store, key)
	if err == nil {
		return driver.ErrExists
	}
	return ignore(err, driver.ErrNotFound)
}

// Renamed implements [driver.RenameTracker] if both stores do. A mark is in the store where the
// record was renamed.
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	if !tracks(s) {
		return driver.Rename{}, errors.ErrUnsupported
	}
	// The record may move from the old store to the new one between the first two calls.
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

// Loses implements [driver.Lossy]. It returns the reasons of both stores.
func (s *Store) Loses() string {
	var all []string
	for _, which := range []struct {
		name  string
		store driver.Store
	}{{"new", s.new}, {"old", s.old}} {
		if loses := loses(which.store); loses != "" {
			all = append(all, which.name+": "+loses)
		}
	}
	return strings.Join(all, "; ")
}

// loses returns why writes to a store, or to a store that it wraps, can vanish, or "".
func loses(store driver.Store) string {
	for store != nil {
		if _, clientSide := store.(driver.ClientSide); clientSide {
			return "it keeps records in the clients' cookies"
		}
		if lossy, ok := store.(driver.Lossy); ok && lossy.Loses() != "" {
			return lossy.Loses()
		}
		around, ok := store.(interface{ Unwrap() driver.Store })
		if !ok {
			return ""
		}
		store = around.Unwrap()
	}
	return ""
}
