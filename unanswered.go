package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gosession.dev/session/driver"
)

// A write whose answer was lost may have been done. Whether it was is found out before
// anything else is written: otherwise a user is signed out because the new ID did not
// reach them, or an Update counts twice.

// isUnknown reports whether a write that returned err may have been done all the same.
func isUnknown(err error) bool {
	if err == nil {
		return false
	}
	for _, answer := range []error{
		ErrNotFound, driver.ErrExists, ErrConflict, ErrTooLarge, ErrCorrupt, ErrClosed, errors.ErrUnsupported,
	} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return true
}

// unanswered decides whether to look at once what has become of a write. A store that
// has not answered in time is not asked again: the next write looks first.
func (m *merging) unanswered(p *pending, err error) (again bool, _ error) {
	_, late := errors.AsType[noAnswerError](err)
	if m.lookedFor || m.ctx.Err() != nil || p.step == touch || late {
		return false, err
	}
	m.lookedFor, m.reloaded = true, false
	return true, nil
}

// findOut finds out whether a create or rename that got no answer was done, and tries it
// again if it was not. After an error that is an answer it was not done.
func (m *merging) findOut(p *pending) error {
	if p.step == create {
		return m.findOutCreate(p)
	}
	return m.findOutRename(p)
}

// findOutCreate tries again under the same ID. If the ID is taken, the record tells which
// write has taken it.
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

// isOurs reports whether the record under the new key was written by p.
func (m *merging) isOurs(p *pending) (bool, error) {
	rec, err := m.f.fetch(m.ctx, p.record.Key)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := parseMeta(rec.Meta)
	if err != nil || !found.writes.has(p.number) {
		return false, nil
	}
	p.record.Version = rec.Version
	return true, nil
}

// maxLooks is how often findOutRename looks at a record that changes meanwhile.
const maxLooks = 10

// findOutRename looks at the old key first. A record under the new one proves nothing:
// a store that renames in several steps may have left a copy there, while the old one is
// alive.
func (m *merging) findOutRename(p *pending) error {
	for range maxLooks {
		old, err := m.f.fetch(m.ctx, p.oldKey)
		switch {
		case err == nil && old.Version == p.record.Version:
			err := m.f.call(m.ctx, func(ctx context.Context) error { return m.f.changeID(ctx, p) })
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
				continue // the lost one was under way still
			}
			if errors.Is(err, driver.ErrExists) { // by a copy
				return errors.Join(err, m.f.remove(m.ctx, p))
			}
			return err
		case err == nil:
			return m.undone(p, ErrConflict)
		case !errors.Is(err, ErrNotFound):
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

// wasRenamed reports whether the old record, which is gone, was renamed by p.
func (m *merging) wasRenamed(p *pending) (bool, error) {
	rename, err := m.f.mark(m.ctx, p.oldKey)
	switch {
	case !m.f.tracksRenames():
		return m.isOurs(p)
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil || rename.To != p.record.Key:
		return false, err
	}
	return true, m.complete(p)
}

// complete writes a renamed record again: a store that renames in several steps may have
// got no further than the mark, and lists the record only once it is written.
func (m *merging) complete(p *pending) error {
	rec, err := m.f.fetch(m.ctx, p.record.Key)
	if err != nil {
		return err
	}
	p.record.Version = rec.Version
	err = m.f.call(m.ctx, func(ctx context.Context) error { return m.f.store.Flush(ctx, p.record) })
	if errors.Is(err, ErrConflict) { // it is complete, by the write that got no answer
		p.record.Version, err = 0, nil
	}
	return err
}

// undone returns why p was not done, after it has removed a copy that p may have left.
func (m *merging) undone(p *pending, cause error) error {
	if err := m.f.remove(m.ctx, p); err != nil {
		return err
	}
	return cause
}

// errHidden: others have written so often since that the record no longer tells whether
// a write of ours was among them.
var errHidden = fmt.Errorf("%w: a write got no answer, and later ones hide whether it was done; its changes may be stored or not", ErrUnavailable)

// findTried looks, among the numbers of a record's last writes, for those of writes that
// got no answer. The changes of one that is found are stored. If it can't be known, this
// session stores nothing any more, because they must not be stored twice.
func (s *Session) findTried(found writeNumbers) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range slices.Backward(s.tried) {
		if found.has(t.number) {
			s.changes = append([]change(nil), s.changes[t.changes:]...)
			s.tried, s.inFlight = nil, 0
			s.edits++
			return nil
		}
	}
	if len(s.tried) > 0 && !found.tellsSince(s.stored.meta.writes) {
		return errHidden
	}
	return nil
}
