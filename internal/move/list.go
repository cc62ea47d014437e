package move

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"slices"

	"gosession.dev/session/driver"
)

// Sessions lists the old store first: what moves meanwhile is in the new one then.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, s.old.Sessions(ctx), s.new.Sessions(ctx))
}

// SubjectSessions does so too.
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, ofSubject(ctx, s.old, subject), ofSubject(ctx, s.new, subject))
}

// list yields the keys of both, once, but for graves.
func (s *Store) list(ctx context.Context, both ...iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seed, seen := maphash.MakeSeed(), map[uint64]bool{} // by a hash: there may be millions
		for _, keys := range both {
			for key, err := range keys {
				hash, at := maphash.String(seed, key), nowhere
				if err == nil && !seen[hash] {
					_, at, err = s.find(ctx, key)
				}
				if err == nil && at != inOld && at != inNew {
					continue
				}
				seen[hash] = true
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// ofSubject lists the records of a subject, by looking at all if the store can't.
func ofSubject(ctx context.Context, store driver.Store, subject string) iter.Seq2[string, error] {
	if lister, ok := store.(driver.SubjectLister); ok {
		return lister.SubjectSessions(ctx, subject)
	}
	return func(yield func(string, error) bool) {
		for key, err := range store.Sessions(ctx) {
			var r *driver.Record
			if err == nil {
				r, err = store.Retrieve(ctx, key)
			}
			if errors.Is(err, driver.ErrNotFound) || err == nil && r.Subject != subject {
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

// DestroySubject buries those in the old store one by one, and those in the new one,
// which may come from the old. One that is renamed meanwhile may escape: it looks
// again until there is none.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for found := true; found; {
		found = false
		for _, store := range []driver.Store{s.old, s.new} {
			for key, err := range ofSubject(ctx, store, subject) {
				if err == nil && !slices.Contains(except, key) {
					found = true
					err = ignore(s.Destroy(ctx, key), driver.ErrNotFound)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	for _, store := range []driver.Store{s.old, s.new} {
		if destroyer, ok := store.(driver.SubjectDestroyer); ok { // none escapes those
			if err := destroyer.DestroySubject(ctx, subject, except...); err != nil {
				return err
			}
		}
	}
	return nil
}
