// Package move presents two stores as one while sessions move from the old store to the new one.
// Any number of processes may use the pair, and each may die at any call: no session is lost,
// no session that has ended comes back, and another process completes an interrupted move.
//
// A record is in the new store, in the old store, or on its way. It moves in three steps:
//
//  1. Freeze. The record in the old store is written again with a mark in its Meta, on the
//     condition that its version is the one that was read. From then on no process changes it,
//     except to undo this step.
//  2. Copy. A record with the same content is created in the new store.
//  3. Clear. The frozen record is removed.
//
// Every process that finds a frozen record takes steps 2 and 3. If a process dies between them,
// the record in the new store hides the frozen one, and Move removes that later.
//
// A process may have read a frozen record and take step 2 only after the session has ended. So
// the end of a session leaves a grave: a record that occupies the key for at least as long as
// the session could have lived. The grave of a session that was in the old store and not on its
// way is in the old store, every other grave in the new one.
//
// An ID change leaves a mark in the store where the record was, as [driver.RenameTracker]
// describes. A key with a mark in one store has neither a record nor a grave in the other.
package move

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

// Prefixes of the Meta of a record. No Meta of package session begins like this.
var (
	frozenMark = []byte("\x00moving\x00")
	graveMark  = []byte("\x00ended\x00")
	probeMark  = []byte("\x00probe\x00")
)

// Store presents two stores as one. Its methods are safe for concurrent use. It implements all
// optional interfaces of package driver except ClientSide, whatever the two stores implement;
// [Capable] reports which of them may be used. Renamed is unsupported unless both stores keep
// marks.
type Store struct {
	new, old  driver.Store
	preparing bool        // writes do not move records, and new sessions begin in the old store
	distinct  atomic.Bool // Ping has found that the two are different stores
}

// New returns a Store that moves sessions from one store to the other when they are written.
// Neither store may be a ClientSide.
func New(to, from driver.Store) *Store { return &Store{new: to, old: from} }

// Prepare returns a Store for processes that run before and beside processes with a Store of
// New. It finds sessions that have moved, and does not start to move any itself.
func Prepare(to, from driver.Store) *Store { return &Store{new: to, old: from, preparing: true} }

// errReversed must not match ErrCorrupt, which would sign the user out.
var errReversed = errors.New("move: a session is on its way from the new store to the old one, or they are the same; " +
	"if they are different stores, complete the move from the new one to the old one with migrate.Move or sessionctl move")

// Shows reports whether a record that is created in one store can be read from the other. Then
// they are the same backend, or one is made of the other.
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

// find returns the record or the grave under key, and its place. If the record is frozen, find
// first completes the move.
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
		return s.findNew(ctx, key) // it may have moved between the two calls
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

// patience is how long a process may use a frozen record that it has read. It is shorter than
// the time for which a mark (driver.MarkLifetime) or a grave ([minGrave]) occupies the key of a
// session that was renamed or has ended since.
const patience = driver.MarkLifetime / 2

// complete takes steps 2 and 3 for a frozen record, which the process wrote to or read from the
// old store after began. If the new store can't hold the record, complete undoes step 1 and
// returns ErrTooLarge.
//
// If the process is suspended, the session may end or be renamed meanwhile, and the grave or mark
// that occupies its key may expire. So complete gives up when ctx ends, and at the latest
// [patience] after began.
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

// isPast reports whether t has passed by the monotonic clock or by the time of day: the monotonic
// clock may stop while a virtual machine is suspended.
func isPast(t time.Time) bool {
	now := time.Now()
	return !now.Before(t) || !now.Round(0).Before(t.Round(0))
}

// clear removes the record of a session that has moved or ended from the old store.
func (s *Store) clear(ctx context.Context, key string) error {
	return ignore(s.old.Destroy(ctx, key), driver.ErrNotFound)
}

// thaw undoes step 1 and updates the version of frozen. If another process has already undone it,
// the version is 0, which means not known.
func (s *Store) thaw(ctx context.Context, frozen *driver.Record) error {
	r := Thawed(frozen)
	frozen.Version = 0
	err := s.old.Flush(ctx, r)
	if err == nil {
		frozen.Version = r.Version
	}
	return ignore(err, driver.ErrNotFound, driver.ErrConflict)
}

// endOld ends a session that is in the old store and not on its way: it replaces the record with
// a grave, so that a concurrent rename fails. If it ends nothing, it returns the frozen record,
// or nil if there is none.
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

// move replaces the record in the old store at r's version with r, moves it by all three steps,
// and reports whether it is in the new store now. If the new store can't hold it, the old store
// keeps it with the content of r, and r gets its version.
func (s *Store) move(ctx context.Context, r *driver.Record) (bool, error) {
	frozen := copyOf(r)
	frozen.Meta = append(bytes.Clone(frozenMark), r.Meta...)
	began := time.Now()
	err := s.old.Flush(ctx, frozen)
	if errors.Is(err, driver.ErrTooLarge) { // the mark may make it too large
		return false, s.old.Flush(ctx, r)
	}
	if err != nil {
		return false, err
	}
	if frozen.Version == 0 { // the store does not return versions, and thaw needs it
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

// bury puts a grave under key into the new store, and returns what was there: a record, a grave,
// a mark or nothing. A mark stays, because the store refuses to create a record there.
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
				switch markErr := checkUnmarked(ctx, s.new, key); {
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

// minGrave is the shortest time for which a grave is kept. No call takes longer.
const minGrave = time.Hour

func grave(key string, expires time.Time, version uint64) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{
		Key: key, Data: []byte("{}"), Meta: graveMark, Created: now, Expires: later(expires, now.Add(minGrave)), Version: version,
	}
}

// IsGrave reports whether a record is the grave of a session that has ended.
func IsGrave(r *driver.Record) bool { return bytes.HasPrefix(r.Meta, graveMark) }

// IsNone reports whether a record holds no session: it is a grave, or a probe of [Shows].
func IsNone(r *driver.Record) bool { return IsGrave(r) || bytes.HasPrefix(r.Meta, probeMark) }

// IsFrozen reports whether a record is frozen: its session is on its way to another store.
func IsFrozen(r *driver.Record) bool { return bytes.HasPrefix(r.Meta, frozenMark) }

// Thawed returns a copy of a record, as it was before it was frozen. The copy is for reading: it
// shares the bytes of Data and Meta with r.
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

// version returns the version of a record that callers see. 0 means not known. A record gets
// another version when it moves, so that callers that have read it in the old store get
// ErrConflict: versions of the old store are hashed (splitmix64), so that they equal versions of
// the new store only by chance.
func version(r *driver.Record, at place) uint64 {
	if at != inOld || r.Version == 0 {
		return r.Version
	}
	v := r.Version + 0x9e3779b97f4a7c15
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

// ignore returns nil if err matches one of these errors, and otherwise err.
func ignore(err error, these ...error) error {
	if is(err, these...) {
		return nil
	}
	return err
}

// wrap adds the name of the store that has failed to err.
func wrap(which string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", which, err)
}
