// Package subjectmark keeps a number for each subject that changes whenever all sessions of the
// subject are ended. A sign-in reads the number before it checks the credentials, and again
// after it has stored the session. If the numbers are the same, no "sign out everywhere" has
// happened in between, and the new session may stay.
//
// The mark that holds the number is an ordinary record without a subject. Its key has 51
// characters and keys of sessions have 43, so that listings can leave marks out. Of concurrent
// writers each returns only after the number has changed.
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

// Lifetime is how long a mark is kept. A sign-in must not take longer.
const Lifetime = 24 * time.Hour

const keyPrefix = "subject-"

// metaMark begins the Meta of a mark; no Meta of a session begins like this. The number follows,
// in eight bytes, big-endian.
const metaMark = "\x00subject\x00"

// Store is the part of [driver.Store] that marks need.
type Store interface {
	Create(ctx context.Context, r *driver.Record) error
	Retrieve(ctx context.Context, key string) (*driver.Record, error)
	Flush(ctx context.Context, r *driver.Record) error
	Destroy(ctx context.Context, key string) error
}

// Key returns the key of the subject's mark.
func Key(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return keyPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// unreadable is the number that Read returns for a mark that can't be read; no other mark has it.
// So a corrupt mark prevents no sign-in, and Write, which replaces it, still changes the number.
const unreadable = 1

// Read returns the number of the subject's mark, or 0 if there is none.
func Read(ctx context.Context, store Store, subject string) (uint64, error) {
	r, err := store.Retrieve(ctx, Key(subject))
	switch {
	case errors.Is(err, driver.ErrNotFound):
		return 0, nil
	case errors.Is(err, driver.ErrCorrupt):
		return unreadable, nil
	case err != nil:
		return 0, err
	}
	return number(r), nil
}

func number(r *driver.Record) uint64 {
	if len(r.Meta) != len(metaMark)+8 || string(r.Meta[:len(metaMark)]) != metaMark {
		return unreadable
	}
	return binary.BigEndian.Uint64(r.Meta[len(metaMark):])
}

// Write gives the subject's mark a new number and keeps it at least until expires. If another
// process writes the mark at the same time, one new number serves both. Every error is an
// outage: the number may have remained the old one.
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
			// %v, because a caller would take ErrNotFound for the end of a session.
			return fmt.Errorf("the mark of the subject can't be written: %v", cause)
		case serves(stored, before, mark.Expires):
			return nil
		}
	}
	return err
}

// retrieve returns the stored mark, or nil if there is none. It removes a mark that the store
// can't read, because a replacement would need its version.
func retrieve(ctx context.Context, store Store, key string) (*driver.Record, error) {
	r, err := store.Retrieve(ctx, key)
	if errors.Is(err, driver.ErrCorrupt) {
		r, err = nil, store.Destroy(ctx, key)
	}
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// put stores mark in place of stored, which may be nil, and never shortens its time to live.
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

// isRace reports whether a write failed because the stored mark is no longer the one that was
// read: another process has written it, it has expired, or it has moved to another backend.
func isRace(err error) bool {
	return errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound)
}

// serves reports whether stored, written by another process, has a different number than before
// and expires late enough.
func serves(stored, before *driver.Record, expires time.Time) bool {
	if stored == nil || stored.Expires.Before(expires) {
		return false
	}
	is := number(stored)
	return is != unreadable && (before == nil || is != number(before))
}

func newMark(subject string, now, expires time.Time) *driver.Record {
	now, expires = now.UTC().Truncate(time.Millisecond), expires.UTC().Truncate(time.Millisecond)
	return &driver.Record{
		Key:     Key(subject),
		Data:    []byte(`{"all_sessions_ended":"` + now.Format(time.RFC3339) + `"}`),
		Meta:    binary.BigEndian.AppendUint64([]byte(metaMark), max(rand.Uint64(), unreadable+1)),
		Created: now,
		Expires: expires,
	}
}
