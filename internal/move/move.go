// Package move is two stores as one, from the old of which sessions go to the new.
//
// A record is in the new store, or in the old one, or on its way. It goes in three
// steps, each of which any process may take, in the place of one that has died:
//
//  1. the old store's record is frozen: written once more, on the condition that it
//     is what was read, with a mark. From then on nobody writes to it.
//  2. a record like it is created in the new store.
//  3. the frozen one is removed.
//
// Whoever comes across a frozen record does 2 and 3. What a process that died has left
// between them is hidden by the record in the new store, and Move removes it. Somebody
// may have read it and come with 2 when the session has ended since, so what ends leaves
// a grave, for as long as it might have lived: the key is taken. What was not on its way
// has its grave in the old store, all else in the new one.
//
// An ID change leaves a mark where the record was, as [driver.RenameTracker] says. A key
// that has a mark in one store has neither a record nor a grave in the other.
package move

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// These stand before the Meta of a record. No Meta of package session begins like this.
var (
	frozenMark = []byte("\x00moving\x00")
	graveMark  = []byte("\x00ended\x00")
	probeMark  = []byte("\x00probe\x00")
)

// Store is two stores as one. It implements the optional interfaces of package
// driver, but for ClientSide, whatever the two can do: Renamed is unsupported unless both
// stores keep marks.
type Store struct {
	new, old driver.Store
	stays    bool // nothing moves by being written, and what begins, begins in the old store
}

// New returns the two as one. Neither may be a ClientSide.
func New(to, from driver.Store) *Store { return &Store{new: to, old: from} }

// Prepare returns the two as one, for processes that run before and beside those
// with the Store of New: it finds what has moved, and moves nothing.
func Prepare(to, from driver.Store) *Store { return &Store{new: to, old: from, stays: true} }

// errReversed is no ErrCorrupt: that would sign the user out.
var errReversed = errors.New("move: a session is on its way from the new store to the old one, or they are the same; " +
	"if they are not, complete that by session.Copy, or sessionctl copy, from the new one to the old one")

// Shows reports whether what is put into one store is found in another: they are one
// backend then, or one is made of the other.
func Shows(ctx context.Context, in, out driver.Store) (bool, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	probe := driver.Record{Key: "probe-" + rand.Text(), Data: []byte("{}"), Meta: probeMark, Created: now, Expires: now.Add(time.Minute)}
	if err := in.Create(ctx, &probe); err != nil {
		return false, err
	}
	_, err := out.Retrieve(ctx, probe.Key)
	shows := err == nil
	return shows, errors.Join(ignore(err, driver.ErrNotFound), ignore(in.Destroy(ctx, probe.Key), driver.ErrNotFound))
}

// place is where a record was found.
type place int

const (
	nowhere place = iota
	inOld
	inNew
	buried    // its grave is in the new store
	buriedOld // its grave is in the old store
	marked    // it was renamed in the new store
)

// find returns a record, and where it is. It completes the way of one that is frozen.
func (s *Store) find(ctx context.Context, key string) (*driver.Record, place, error) {
	for {
		r, at, err := s.findNew(ctx, key)
		if err != nil || at != nowhere {
			return r, at, err
		}
		began := time.Now()
		r, err = s.old.Retrieve(ctx, key)
		switch {
		case err == nil && IsGrave(r):
			return r, buriedOld, nil
		case err == nil && !IsFrozen(r):
			return r, inOld, nil
		case err == nil:
			if err := s.complete(ctx, r, began); err != nil && !errors.Is(err, driver.ErrTooLarge) {
				return nil, nowhere, err
			}
			continue
		case !errors.Is(err, driver.ErrNotFound):
			return nil, nowhere, err
		}
		return s.findNew(ctx, key) // it may have gone there between the two
	}
}

func (s *Store) findNew(ctx context.Context, key string) (*driver.Record, place, error) {
	r, err := s.new.Retrieve(ctx, key)
	switch {
	case errors.Is(err, driver.ErrNotFound):
		return nil, nowhere, nil
	case err != nil:
		return nil, nowhere, err
	case IsGrave(r):
		return r, buried, nil
	case IsFrozen(r):
		return nil, nowhere, errReversed
	}
	return r, inNew, nil
}

// patience is how long a process goes on with a frozen record that it has read. What
// stands under its key afterwards lasts longer: a mark for driver.MarkLifetime, a grave
// for [rest].
const patience = driver.MarkLifetime / 2

// complete takes steps 2 and 3 for a frozen record, which was in the old store after
// began. If the new store can't hold it, complete undoes step 1, and the error is
// ErrTooLarge.
//
// If the process stood still, the session may have ended or been renamed since, and what
// kept its key from being taken again may be over. So complete gives up when the caller's
// time or patience is over.
func (s *Store) complete(ctx context.Context, frozen *driver.Record, began time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, began.Add(patience))
	defer cancel()
	if end, _ := ctx.Deadline(); isPast(end) {
		return context.DeadlineExceeded
	}
	r := Thawed(frozen)
	r.Version = 0
	err := s.new.Create(ctx, r)
	if errors.Is(err, driver.ErrExists) {
		_, _, err = s.findNew(ctx, frozen.Key)
	}
	if is(err, driver.ErrTooLarge, errReversed) {
		if thawErr := s.thaw(ctx, frozen); thawErr != nil {
			return thawErr
		}
	}
	if err != nil {
		return err
	}
	return s.clear(ctx, frozen.Key)
}

// isPast looks at the time of day too: the monotonic clock may stand still with a virtual
// machine.
func isPast(t time.Time) bool {
	now := time.Now()
	return !now.Before(t) || !now.Round(0).Before(t.Round(0))
}

// clear removes what is in the old store of a session that has moved or ended.
func (s *Store) clear(ctx context.Context, key string) error {
	return ignore(s.old.Destroy(ctx, key), driver.ErrNotFound)
}

// thaw undoes step 1. The version of the record is not known if somebody else has.
func (s *Store) thaw(ctx context.Context, frozen *driver.Record) error {
	r := Thawed(frozen)
	frozen.Version = 0
	err := s.old.Flush(ctx, r)
	if err == nil {
		frozen.Version = r.Version
	}
	return ignore(err, driver.ErrNotFound, driver.ErrConflict)
}

// endOld ends what is in the old store and not on its way: a grave there holds the key
// against who would rename it meanwhile. Else it returns what it has found, or nil.
func (s *Store) endOld(ctx context.Context, key string) (frozen *driver.Record, ended bool, err error) {
	for {
		r, err := s.old.Retrieve(ctx, key)
		switch {
		case errors.Is(err, driver.ErrNotFound) || err == nil && IsGrave(r):
			return nil, false, nil
		case errors.Is(err, driver.ErrCorrupt):
			if err := s.clear(ctx, key); err != nil {
				return nil, false, err
			}
			_, at, err := s.findNew(ctx, key)
			return nil, at != inNew, err
		case err != nil || IsFrozen(r):
			return r, false, err
		}
		err = s.old.Flush(ctx, grave(key, r.Expires, r.Version))
		if err == nil {
			return nil, true, nil
		}
		if !is(err, driver.ErrConflict, driver.ErrNotFound) {
			return nil, false, err
		}
	}
}

// move takes all steps with r, which is to replace what is in the old store at its
// version, and reports whether it is in the new one then. What that can't hold stays in
// the old one, as r says, which gets the version.
func (s *Store) move(ctx context.Context, r *driver.Record) (bool, error) {
	frozen := copyOf(r)
	frozen.Meta = append(bytes.Clone(frozenMark), r.Meta...)
	began := time.Now()
	err := s.old.Flush(ctx, frozen)
	if errors.Is(err, driver.ErrTooLarge) { // by the length of the mark
		return false, s.old.Flush(ctx, r)
	}
	if err != nil {
		return false, err
	}
	if frozen.Version == 0 { // the store does not tell; thaw needs it
		if stored, err := s.old.Retrieve(ctx, r.Key); err == nil && IsFrozen(stored) {
			frozen = stored
		}
	}
	err = s.complete(ctx, frozen, began)
	if errors.Is(err, driver.ErrTooLarge) {
		r.Version = frozen.Version
		return false, nil
	}
	r.Version = 0
	return err == nil, err
}

// bury ends what is under key in the new store, and returns what was there: a record, a
// grave, a mark or nothing. A mark stays: the store refuses to create a grave there.
func (s *Store) bury(ctx context.Context, key string, expires time.Time) (place, error) {
	for {
		r, at, err := s.findNew(ctx, key)
		if errors.Is(err, driver.ErrCorrupt) {
			return inNew, s.new.Destroy(ctx, key)
		}
		if err != nil || at == buried {
			return at, err
		}
		if at == nowhere {
			err = s.new.Create(ctx, grave(key, expires, 0))
			if errors.Is(err, driver.ErrExists) {
				switch markErr := unmarked(ctx, s.new, key); {
				case errors.Is(markErr, driver.ErrExists):
					return marked, nil
				case markErr != nil:
					return nowhere, markErr
				}
			}
		} else {
			err = s.new.Flush(ctx, grave(key, later(expires, r.Expires), r.Version))
		}
		if !is(err, driver.ErrExists, driver.ErrConflict, driver.ErrNotFound) {
			return at, err
		}
	}
}

// rest is how long a grave is kept at least: longer than any call takes.
const rest = time.Hour

func grave(key string, expires time.Time, version uint64) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{
		Key: key, Data: []byte("{}"), Meta: graveMark, Created: now, Expires: later(expires, now.Add(rest)), Version: version,
	}
}

// IsGrave reports whether a record is that of a session that has ended.
func IsGrave(r *driver.Record) bool { return bytes.HasPrefix(r.Meta, graveMark) }

// IsNone reports whether a record is that of no session: a grave, or what Shows has put
// there.
func IsNone(r *driver.Record) bool { return IsGrave(r) || bytes.HasPrefix(r.Meta, probeMark) }

// IsFrozen reports whether a record is on its way.
func IsFrozen(r *driver.Record) bool { return bytes.HasPrefix(r.Meta, frozenMark) }

// Thawed returns a record as it was before it was frozen, to be looked at.
func Thawed(r *driver.Record) *driver.Record {
	thawed := copyOf(r)
	thawed.Meta = bytes.TrimPrefix(r.Meta, frozenMark)
	return thawed
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func copyOf(r *driver.Record) *driver.Record {
	c := *r
	return &c
}

// version is that of a record to everybody else. What has moved has another: to who had
// read it in the old store, it has changed. 0 is not known.
func version(r *driver.Record, at place) uint64 {
	if at != inOld || r.Version == 0 {
		return r.Version
	}
	v := r.Version + 0x9e3779b97f4a7c15 // splitmix64: in the new store it would be by chance only
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return max(v^v>>31, 1)
}

func is(err error, any ...error) bool {
	for _, e := range any {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ignore returns nil for these errors.
func ignore(err error, these ...error) error {
	if is(err, these...) {
		return nil
	}
	return err
}

// wrap says which of the two it is that has failed.
func wrap(which string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", which, err)
}
