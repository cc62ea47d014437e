package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

// step is what a session needs the store to do.
type step int

const (
	nothing step = iota
	create
	touch
	flush
	rename
)

// pending is one attempt to store a session.
type pending struct {
	step    step
	oldID   ID
	oldKey  string // of oldID, to the store
	id      ID     // of the session, once stored
	record  *driver.Record
	meta    meta   // as it is in the record
	changes int    // how many are in the record
	signsIn bool   // it says whose the session is
	subject string // whose it was before
}

// nextLocked returns what a session needs now.
func (s *Session) nextLocked(now time.Time) step {
	switch {
	case s.phase == fresh && (s.wanted || !s.emptyLocked()):
		return create
	case s.phase == fresh:
		return nothing
	case s.renamesLocked():
		return rename
	case len(s.changes) > 0:
		return flush
	}
	t := s.f.timeouts(&s.state)
	switch {
	case !touchDue(t, s.stored.meta, s.stored.expires, t.expires(s.state.start, now), now):
		return nothing
	case s.f.canTouch() && t.Idle == s.stored.meta.idle:
		return touch
	}
	return flush // also tells the record the new Idle
}

// isSettled reports whether there is nothing to store, or to find out.
func (s *Session) isSettled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase <= live && !s.dropsLocked() && s.nextLocked(millis(s.f.cfg.Now())) == nothing
}

// prepare returns what has to be stored; step is nothing if that is nothing.
func (s *Session) prepare() (pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == lost || s.phase == destroyed || s.dropsLocked() {
		return pending{}, ErrNotFound
	}
	now := millis(s.f.cfg.Now())
	p := pending{step: s.nextLocked(now), id: s.id, oldID: s.id, oldKey: s.key, changes: len(s.changes), subject: s.stored.subject}
	if s.headerSent && s.f.inCookie && p.changes == 0 {
		p.step = nothing // the client can't learn of a later expiry
	}
	if p.step == nothing {
		return p, nil
	}
	if s.headerSent && (s.f.inCookie || p.step == create || p.step == rename) {
		return p, ErrHeaderSent
	}
	var err error
	key := p.oldKey
	if p.step == create || p.step == rename {
		if p.id, err = s.f.drawID(); err != nil {
			return p, err
		}
		key = string(p.id.Key())
	}
	p.record, p.meta, err = s.recordLocked(key, now)
	p.signsIn = s.state.subject != "" && slices.ContainsFunc(s.changes, func(c change) bool { return c.signsIn })
	s.inFlight = p.changes
	return p, err
}

// perform has the store do it. If SetTimeouts has put the end of the session into
// the past, that is its end.
func (f *Factory) perform(ctx context.Context, p pending) error {
	if p.step != create && !p.record.Expires.After(f.cfg.Now()) {
		if err := f.store.Destroy(ctx, p.oldKey); err != nil {
			return err
		}
		f.wake(p.oldID.Key())
		f.tell(ctx, Event{Kind: EventEnded, Key: p.oldID.Key(), Subject: p.subject, Reason: ReasonShortened})
		return ErrNotFound
	}
	switch p.step {
	case create:
		return f.store.Create(ctx, p.record)
	case touch:
		return f.toucher.Touch(ctx, p.oldKey, p.record.Expires)
	case rename:
		return f.store.ChangeID(ctx, p.oldKey, p.record)
	}
	return f.store.Flush(ctx, p.record)
}

// settle notes what became of p.
func (s *Session) settle(p pending, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight = 0
	if err != nil {
		return
	}
	s.ending = false
	if p.step == touch {
		s.stored.expires = p.record.Expires
		return
	}
	s.id, s.key = p.id, p.record.Key
	if s.f.inCookie {
		s.id = ID(p.record.Key)
	}
	s.phase = live
	s.wanted = false
	s.stored = stored{
		created: p.record.Created,
		expires: p.record.Expires,
		version: p.record.Version,
		subject: p.record.Subject,
		meta:    p.meta,
	}
	s.changes = append([]change(nil), s.changes[p.changes:]...)
}

// versionUnknown reports whether p is a conditional write whose condition is not
// known, because the store did not tell it after the last write.
func (p pending) versionUnknown() bool {
	return (p.step == flush || p.step == rename) && p.record.Version == 0
}

func (s *Session) emptyLocked() bool {
	return len(s.state.values) == 0 && s.state.subject == "" && s.state.own == nil
}

// dropsLocked reports whether what the session holds came too late. A sign-in never
// does: its client may not have got the answer to the one before.
func (s *Session) dropsLocked() bool {
	return s.overtaken && s.state.subject == "" && !s.emptyLocked()
}

func (s *Session) renamesLocked() bool {
	return slices.ContainsFunc(s.changes, func(c change) bool { return c.renames })
}

// drawID returns a new ID.
func (f *Factory) drawID() (ID, error) {
	id, err := f.cfg.IDs.GenerateID()
	if err != nil {
		return "", err
	}
	if !f.cfg.IDs.ValidateID(id) || !f.cookieCarries(id) {
		return "", errors.New("Config.IDs generated an ID that it does not validate, or that no cookie can carry")
	}
	return id, nil
}

// canTouch reports whether the store moves an expiry without rewriting data. A
// store that wraps others may say only when asked that it can't.
func (f *Factory) canTouch() bool { return f.toucher != nil && !f.noTouch.Load() }
