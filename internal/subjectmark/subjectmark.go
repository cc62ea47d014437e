// Package subjectmark keeps, beside the sessions of a subject, a number that changes
// whenever all of them are ended. A sign-in that reads the same number before it
// checks credentials and after it has stored the session can't have been overtaken
// by "log out everywhere".
//
// A mark is an ordinary record without a subject. Its key has 51 characters, and
// keys of sessions have 43, so that listings can leave it out.
package subjectmark

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gosession.dev/session/driver"
)

// Lifetime is how long a mark is kept. A sign-in has to be over by then.
const Lifetime = 24 * time.Hour

const keyPrefix = "subject-"

// metaMark begins the Meta of a mark; no Meta of a session begins like this. Eight
// bytes follow: the number, big-endian.
const metaMark = "\x00subject\x00"

// Store is what a mark needs of a [driver.Store].
type Store interface {
	Create(ctx context.Context, r *driver.Record) error
	Retrieve(ctx context.Context, key string) (*driver.Record, error)
	Flush(ctx context.Context, r *driver.Record) error
}

// Key returns the key of the subject's mark.
func Key(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return keyPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Read returns the number of the subject's mark, or 0 if there is none.
func Read(ctx context.Context, store Store, subject string) (uint64, error) {
	r, err := store.Retrieve(ctx, Key(subject))
	if errors.Is(err, driver.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return number(r)
}

func number(r *driver.Record) (uint64, error) {
	if len(r.Meta) != len(metaMark)+8 || string(r.Meta[:len(metaMark)]) != metaMark {
		return 0, fmt.Errorf("%w: the mark of its subject", driver.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(r.Meta[len(metaMark):]), nil
}

// Write gives the subject's mark a new number and keeps it until expires at least.
// If another process writes the mark at the same time, its number serves both. The
// error is an outage, whatever it is: the number may be the old one.
func Write(ctx context.Context, store Store, subject string, now, expires time.Time) error {
	mark := newMark(subject, now, expires)
	stored, err := retrieve(ctx, store, mark.Key)
	for err == nil {
		cause := put(ctx, store, mark, stored)
		if !isRace(cause) {
			return cause
		}
		before := stored
		stored, err = retrieve(ctx, store, mark.Key)
		switch {
		case err != nil:
		case before == nil && stored == nil, before != nil && stored != nil && before.Version == stored.Version:
			return fmt.Errorf("the mark of the subject can't be written: %v", cause) // never ErrNotFound: nothing has ended
		case serves(stored, before, mark.Expires):
			return nil
		}
	}
	return err
}

// retrieve returns the stored mark, or nil if there is none.
func retrieve(ctx context.Context, store Store, key string) (*driver.Record, error) {
	r, err := store.Retrieve(ctx, key)
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// put stores mark in the place of stored, which may be nil. A mark that is kept for
// longer stays so.
func put(ctx context.Context, store Store, mark, stored *driver.Record) error {
	r := *mark
	if stored == nil {
		return store.Create(ctx, &r)
	}
	r.Version, r.Created = stored.Version, stored.Created
	if stored.Expires.After(r.Expires) {
		r.Expires = stored.Expires
	}
	return store.Flush(ctx, &r)
}

// isRace reports whether a write failed because the stored mark is not the one that
// was read: another process has written it, it has expired, or it has moved to another
// backend.
func isRace(err error) bool {
	return errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound)
}

// serves reports whether another process has given the mark a new number since before
// was read, and keeps it for long enough.
func serves(stored, before *driver.Record, expires time.Time) bool {
	if stored == nil || stored.Expires.Before(expires) {
		return false
	}
	is, err := number(stored)
	if err != nil || before == nil {
		return err == nil
	}
	was, err := number(before)
	return err != nil || is != was
}

func newMark(subject string, now, expires time.Time) *driver.Record {
	now, expires = now.UTC().Truncate(time.Millisecond), expires.UTC().Truncate(time.Millisecond)
	return &driver.Record{
		Key:     Key(subject),
		Data:    []byte(`{"all_sessions_ended":"` + now.Format(time.RFC3339) + `"}`),
		Meta:    binary.BigEndian.AppendUint64([]byte(metaMark), max(rand.Uint64(), 1)),
		Created: now,
		Expires: expires,
	}
}
