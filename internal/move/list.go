package move

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"slices"

	"gosession.dev/session/driver"
)

// Sessions lists the old store first, so that it also finds sessions that move meanwhile.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, func(*driver.Record) bool { return true }, s.old.Sessions(ctx), s.new.Sessions(ctx))
}

// SubjectSessions lists the old store first, like Sessions.
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, isOf(subject), ofSubject(ctx, s.old, subject), ofSubject(ctx, s.new, subject))
}

func isOf(subject string) func(*driver.Record) bool {
	return func(r *driver.Record) bool { return r.Subject == subject }
}

// list yields each key of a live record for which listed is true, once. It also yields the keys
// of records that can't be read.
func (s *Store) list(ctx context.Context, listed func(*driver.Record) bool, stores ...iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seed, seen := maphash.MakeSeed(), map[uint64]bool{} // hashes of keys, because there may be millions
		for _, keys := range stores {
			for key, err := range keys {
				if err != nil {
					yield("", err)
					return
				}
				hash := maphash.String(seed, key)
				if seen[hash] {
					continue
				}
				r, at, err := s.find(ctx, key)
				switch {
				case errors.Is(err, driver.ErrCorrupt):
				case err != nil:
					yield("", err)
					return
				case at != inOld && at != inNew || IsNone(r) || !listed(r):
					continue
				}
				seen[hash] = true
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// ofSubject lists the records of a subject. If the store can't, it reads all records.
func ofSubject(ctx context.Context, store driver.Store, subject string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lister, ok := store.(driver.SubjectLister)
		if !ok {
			filterAll(ctx, store, subject)(yield)
			return
		}
		for key, err := range lister.SubjectSessions(ctx, subject) {
			if errors.Is(err, errors.ErrUnsupported) { // it wraps a store that can't list
				filterAll(ctx, store, subject)(yield)
				return
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

func filterAll(ctx context.Context, store driver.Store, subject string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range store.Sessions(ctx) {
			var r *driver.Record
			if err == nil {
				r, err = store.Retrieve(ctx, key)
			}
			if is(err, driver.ErrNotFound, driver.ErrCorrupt) || err == nil && r.Subject != subject {
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

// DestroySubject buries the sessions of a subject one by one, in both stores, because a session
// in the new store may have come from the old one. A session that is renamed meanwhile may escape
// the listing, so it lists again until it finds none. If a store can't list the sessions of a
// subject, it reads all records. A SubjectDestroyer is called at the end.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for found := true; found; {
		found = false
		for key, err := range s.SubjectSessions(ctx, subject) {
			if err == nil && !slices.Contains(except, key) {
				found = true
				err = ignore(s.Destroy(ctx, key), driver.ErrNotFound)
			}
			if err != nil {
				return err
			}
		}
	}
	for _, store := range []driver.Store{s.old, s.new} {
		destroyer, ok := store.(driver.SubjectDestroyer)
		if !ok {
			continue
		}
		// A session that escaped the listings does not escape this call.
		if err := ignore(destroyer.DestroySubject(ctx, subject, except...), errors.ErrUnsupported); err != nil {
			return err
		}
	}
	return nil
}
