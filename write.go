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
	oldKey  string // of the record that is replaced, to the store
	oldName Key    // the same, to events
	id      ID     // of the session, once stored
	record  *driver.Record
	data    []byte    // in the record, not sealed
	meta    meta      // as it is in the record
	number  uint64    // that identifies the write
	now     time.Time // when it was prepared
	changes int       // how many are in the record
	signIn  *signIn   // that is among them
	subject string    // whose session it was before

	startBefore time.Time // when Lifetime began before the sign-in
	replaces    bool      // the sign-in takes the place of another session of the subject
	unanswered  bool      // whether it was stored is not known
}

// nextLocked returns what a session needs now.
func (s *Session) nextLocked(now time.Time) step {
	switch {
	case s.phase == fresh && (s.wanted || !s.emptyLocked()):
		return create
	case s.phase != live:
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

// nowLocked is the time as the session sees it: never before it was last used, because
// the clock of this process may be behind that of another.
func (s *Session) nowLocked() time.Time {
	now := millis(s.f.cfg.Now())
	if s.phase == live {
		if seen := s.stored.meta.lastSeen(s.stored.expires); seen.After(now) {
			return seen
		}
	}
	return now
}

// isSettledLocked reports whether there is nothing to store, or to find out, and no
// write under way.
func (s *Session) isSettledLocked() bool {
	switch {
	case len(s.writing) > 0 || s.unsure != nil:
		return false
	case s.phase == lost || s.phase == overtaken:
		return len(s.changes) == 0
	case s.phase == destroyed:
		return true
	}
	return s.nextLocked(s.nowLocked()) == nothing
}

func (s *Session) isSettled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isSettledLocked()
}

// isUnsure reports whether a write that was to give the session an ID got no answer.
func (s *Session) isUnsure() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsure != nil
}

// signsIn reports whether a sign-in is still to be stored.
func (s *Session) signsIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pendingSignInLocked() != nil
}

func (s *Session) pendingSignInLocked() *signIn {
	for _, c := range slices.Backward(s.changes) {
		if c.signIn != nil {
			return c.signIn
		}
	}
	return nil
}

// prepare returns what has to be stored; step is nothing if that is nothing.
func (s *Session) prepare() (pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case lost, destroyed, overtaken:
		return pending{}, ErrNotFound
	}
	now := s.nowLocked()
	p := pending{step: s.nextLocked(now), id: s.id, oldKey: s.key, now: now, changes: len(s.changes), subject: s.stored.subject}
	if s.headerSent && s.f.inCookie && p.changes == 0 {
		p.step = nothing // the client can't learn of a later expiry
	}
	if p.step == nothing {
		return p, nil
	}
	givesID := p.step == create || p.step == rename
	if s.headerSent && (s.f.inCookie || givesID) {
		return p, ErrHeaderSent
	}
	if givesID {
		if err := s.drawIDLocked(&p); err != nil {
			return p, err
		}
	}
	if p.step != touch {
		p.number = newWriteNumber()
	}
	p.signIn = s.pendingSignInLocked()
	s.inFlight = p.changes
	return p, s.recordLocked(&p)
}

// drawIDLocked prepares p to give the session an ID.
func (s *Session) drawIDLocked(p *pending) error {
	p.startBefore, p.oldName = s.stored.meta.start, s.id.Key()
	var err error
	if s.state.handle == (handle{}) {
		if s.state.handle, err = newHandle(); err != nil {
			return err
		}
	}
	p.id, err = s.f.drawID()
	return err
}

// awaited returns an error if p gives an ID and the client no longer waits for it.
func (s *Session) awaited(p *pending) error {
	if p.step != create && p.step != rename {
		return nil
	}
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	if client == nil {
		return nil
	}
	if err := client.gone(); err != nil {
		return clientGoneError{err}
	}
	return nil
}

// clientGoneError: the request was given up by its client, which could not learn of a new
// ID. Nothing was stored.
type clientGoneError struct{ cause error }

func (e clientGoneError) Error() string {
	return "the client has gone away, and could not learn of a new ID: " + e.cause.Error()
}
func (e clientGoneError) Unwrap() error { return e.cause }

func isClientGone(err error) bool {
	_, ok := errors.AsType[clientGoneError](err)
	return ok
}

// perform has the store do it. If SetTimeouts has put the end of the session into
// the past, that is its end.
func (f *Factory) perform(ctx context.Context, p *pending) error {
	if p.step != create && !p.record.Expires.After(f.cfg.Now()) {
		if err := f.store.Destroy(ctx, p.oldKey); err != nil {
			return err
		}
		f.wake(f.keyOf(p.oldKey))
		f.tell(ctx, Event{Kind: EventEnded, Key: f.keyOf(p.oldKey), Subject: p.subject, Reason: ReasonShortened})
		return ErrNotFound
	}
	switch p.step {
	case create:
		return f.store.Create(ctx, p.record)
	case touch:
		return f.toucher.Touch(ctx, p.oldKey, p.record.Expires)
	case rename:
		return f.changeID(ctx, p)
	}
	return f.store.Flush(ctx, p.record)
}

// versionUnknown reports whether p is a conditional write whose condition is not
// known, because the store did not tell it after the last write.
func (p *pending) versionUnknown() bool {
	return (p.step == flush || p.step == rename) && p.record.Version == 0
}

func (s *Session) emptyLocked() bool {
	return len(s.state.values) == 0 && s.state.subject == "" && s.state.own == nil
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
