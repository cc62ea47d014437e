package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/writenumber"
)

// A write whose answer was lost may have been done. The session finds out whether it was before
// it writes anything else. Otherwise a user would be signed out because the new ID did not
// reach them, or an Update would count twice.

// unansweredWrite is a flush that got no answer.
type unansweredWrite struct {
	number  uint64 // the write number
	changes int    // the number of the session's changes in it
}

// unanswered decides whether to find out at once whether a write was done that got no answer. If
// the store did not answer in time, the next write finds out.
func (m *merging) unanswered(err error) (again bool, _ error) {
	_, late := errors.AsType[bounded.NoAnswerError](err)
	if m.lookedFor || m.ctx.Err() != nil || late {
		return false, err
	}
	m.lookedFor, m.reloaded = true, false
	return true, nil
}

// findOut finds out whether a create or rename that got no answer was done, and does it if it
// was not. If the error is an answer of the store, see isUnknown, it was not done.
func (m *merging) findOut(p *pending) error {
	if p.step == create {
		return m.findOutCreate(p)
	}
	return m.findOutRename(p)
}

// findOutCreate creates the session again under the same ID. If the ID is taken, the record
// tells which write has taken it.
func (m *merging) findOutCreate(p *pending) error {
	err := m.f.call(m.ctx, func(ctx context.Context) error { return m.f.store.Create(ctx, p.record) })
	if !errors.Is(err, driver.ErrExists) {
		return err
	}
	ours, err := m.isOurs(p)
	if err == nil && !ours {
		err = driver.ErrExists
	}
	return err
}

// isOurs reports whether p has written the record under the new key.
func (m *merging) isOurs(p *pending) (bool, error) {
	rec, err := m.f.fetch(m.ctx, p.record.Key)
	if isGone(err) || errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := meta.Parse(rec)
	if err != nil || !found.Writes.Has(p.number) {
		return false, nil
	}
	p.record.Version = rec.Version
	return true, nil
}

// maxLooks is how often findOutRename looks at a record that keeps changing.
const maxLooks = 10

// findOutRename looks at the old key first. A record under the new key proves nothing: a store
// that renames in several steps may have left a copy there while the old session is alive.
func (m *merging) findOutRename(p *pending) error {
	for range maxLooks {
		old, err := m.f.fetch(m.ctx, p.oldKey)
		switch {
		case err == nil && p.discarded:
			err := m.forestall(p, old)
			if isGone(err) || errors.Is(err, ErrConflict) {
				continue // the rename, or another write, was faster
			}
			if err != nil {
				return err
			}
			return m.undone(p, errDiscarded)
		case err == nil && old.Version == p.record.Version:
			err := m.f.call(m.ctx, func(ctx context.Context) error { return m.f.changeID(ctx, p) })
			if isGone(err) || errors.Is(err, ErrConflict) {
				continue // the first try was still under way
			}
			if errors.Is(err, driver.ErrExists) { // the first try has left a copy
				return errors.Join(err, m.f.remove(m.ctx, p))
			}
			return err
		case err == nil:
			return m.undone(p, ErrConflict)
		case !isGone(err):
			return err
		}
		renamed, err := m.wasRenamed(p)
		if err != nil || renamed {
			return err
		}
		return m.undone(p, ErrNotFound)
	}
	return m.undone(p, ErrConflict)
}

// forestall keeps a discarded rename from being done late. It writes the old record again, so
// that the version on which the rename depends is gone. Stores that keep sessions in cookies
// do not write late.
func (m *merging) forestall(p *pending, old *driver.Record) error {
	if m.f.inCookie || old.Version != p.record.Version {
		return nil
	}
	return m.f.call(m.ctx, func(ctx context.Context) error { return m.f.store.Flush(ctx, old) })
}

// wasRenamed reports whether p has renamed the old record, which is gone.
func (m *merging) wasRenamed(p *pending) (bool, error) {
	rename, err := m.f.mark(m.ctx, p.oldKey)
	switch {
	case !m.f.tracksRenames():
		return m.isOurs(p)
	case isGone(err):
		return false, nil
	case err != nil || rename.To != p.record.Key:
		return false, err
	}
	return true, m.complete(p)
}

// complete writes a renamed record again. A store that renames in several steps may have stopped
// after the mark, and the write removes the flag of the copy that is pending under the new key.
func (m *merging) complete(p *pending) error {
	rec, err := m.f.fetch(m.ctx, p.record.Key)
	if err != nil {
		return err
	}
	p.record.Version = rec.Version
	err = m.f.call(m.ctx, func(ctx context.Context) error { return m.f.store.Flush(ctx, p.record) })
	if errors.Is(err, ErrConflict) { // the unanswered write has completed it
		p.record.Version, err = 0, nil
	}
	return err
}

// undone removes a copy that p may have left, and returns cause, which is why p was not done.
func (m *merging) undone(p *pending, cause error) error {
	if err := m.f.remove(m.ctx, p); err != nil {
		return err
	}
	return cause
}

// errHidden says that the record no longer tells whether an unanswered write was done, because
// too many writes have followed.
var errHidden = fmt.Errorf("%w: a write got no answer, and too many others have followed to tell whether it was done; call Discard to go on without its changes", ErrUnavailable)

// findUnanswered looks for the session's unanswered writes among the last write numbers of the
// record. If it finds one, the changes of that write are stored, and findUnanswered drops them. If it
// can't know, the session stores nothing until Discard, because changes must not be stored
// twice.
func (s *Session) findUnanswered(found writenumber.Last) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range slices.Backward(s.unanswered) {
		if found.Has(t.number) {
			s.changes = append([]change(nil), s.changes[t.changes:]...)
			s.unanswered, s.inFlight = nil, 0
			s.edits++
			return nil
		}
	}
	if len(s.unanswered) > 0 && !found.TellsSince(s.stored.meta.Writes) {
		return errHidden
	}
	return nil
}
