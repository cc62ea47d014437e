package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/writenumber"
)

// step is the store call that a session needs.
type step int

const (
	nothing step = iota
	create
	touch
	flush
	rename
)

// pending is an attempt to store a session.
type pending struct {
	step    step
	oldKey  string // the key of the record that the write replaces, for the store
	oldName Key    // the same key, for events
	id      ID     // the ID of the session once it is stored
	record  *driver.Record
	data    []byte      // the data of the record before sealing
	meta    meta.Meta   // the metadata of the record
	number  uint64      // the write number, which identifies the write
	now     time.Time   // when the write was prepared
	changes int         // the number of changes in the record
	signIn  *signIn     // the sign-in among them; nil if there is none
	subject string      // the subject of the session before the write
	handle  meta.Handle // the handle of the session before the write

	startBefore time.Time // when Lifetime began before the sign-in
	idle        bool      // whether the write does not count as a use of the session, and must not undo another request's use
	replaces    bool      // whether the sign-in replaces another session of the subject
	unanswered  bool      // whether the outcome is unknown
	discarded   bool      // whether the write must not be tried again
}

// nextLocked returns the store call that the session needs now.
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
	case s.staysIdle:
		return nothing
	case s.cookieDueLocked(t, now) && !s.isPostponedLocked(t, now):
		return flush
	case !useDue(t, s.stored.meta, s.stored.expires, now) || s.isPostponedLocked(t, now):
		return nothing
	case s.f.canTouch() && t.Idle == s.stored.meta.Idle && !t.deadline(s.state.start).Before(now.Add(t.Idle)):
		return touch
	}
	return flush // the metadata has to tell a new Idle, or a use whose expiry Lifetime cuts
}

// nowLocked returns the current time, but never a time before the last use of the session: the
// clock of this process may be behind that of another one.
func (s *Session) nowLocked() time.Time {
	now := millis(s.f.cfg.Now())
	if s.phase == live {
		if seen := s.stored.meta.LastSeen(s.stored.expires); seen.After(now) {
			return seen
		}
	}
	return now
}

// isSettledLocked reports whether there is nothing to store, no write is under way, and the
// outcome of each write is known.
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

// isUnsure reports whether a write that gives the session an ID got no answer.
func (s *Session) isUnsure() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsure != nil
}

// signsIn reports whether a sign-in is pending.
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

// prepare returns the write that the session needs now. Its step may be nothing.
func (s *Session) prepare() (pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case lost, destroyed, overtaken:
		return pending{}, ErrNotFound
	}
	now := s.nowLocked()
	p := pending{step: s.nextLocked(now), id: s.id, oldKey: s.key, now: now, changes: len(s.changes), subject: s.stored.subject, handle: s.stored.meta.Handle}
	if s.headerSent && s.f.inCookie && p.changes == 0 {
		p.step = nothing // the cookie with a later expiry can't be sent
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
	if !p.movesOnly() { // the outcome of such a write is never looked for
		p.number = writenumber.New()
	}
	p.signIn = s.pendingSignInLocked()
	if err := s.recordLocked(&p); err != nil {
		return p, err
	}
	s.inFlight = p.changes
	return p, nil
}

// drawIDLocked prepares p to give the session a new ID.
func (s *Session) drawIDLocked(p *pending) error {
	p.startBefore, p.oldName = s.stored.meta.Start, s.f.keyOf(s.key)
	var err error
	if s.state.handle == (meta.Handle{}) {
		if s.state.handle, err = meta.NewHandle(); err != nil {
			return err
		}
	}
	p.id, err = s.f.drawID()
	return err
}

// awaited returns an error if p gives the session an ID and the client no longer waits for it.
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

// clientGoneError says that the client has closed the request, and could not learn a new ID, so
// that nothing was stored.
type clientGoneError struct{ cause error }

func (e clientGoneError) Error() string {
	return "the client has gone away, and could not learn of a new ID: " + e.cause.Error()
}
func (e clientGoneError) Unwrap() error { return e.cause }

func isClientGone(err error) bool {
	_, ok := errors.AsType[clientGoneError](err)
	return ok
}

// perform makes the store call of p. If SetTimeouts has put the expiry into the past, perform
// ends the session instead.
func (f *Factory) perform(ctx context.Context, p *pending) error {
	if p.step != create && !p.record.Expires.After(f.cfg.Now()) {
		if err := f.store.Destroy(ctx, p.oldKey); err != nil {
			return err
		}
		f.wake(f.keyOf(p.oldKey), ReasonShortened)
		f.tell(ctx, Event{Kind: EventEnded, Handle: p.handle.String(), Key: f.keyOf(p.oldKey), Subject: p.subject, Reason: ReasonShortened})
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

// readsFirst reports whether the session has to be read before p is written. That is so for a
// conditional write whose version is not known, because the store did not tell it after the
// last write. It is so too for a write that keeps the expiry: another request may have moved
// the expiry without a new version.
func (p *pending) readsFirst() bool {
	return (p.step == flush || p.step == rename) && (p.record.Version == 0 || p.idle && !p.unanswered)
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
		return ID{}, err
	}
	if !f.cfg.IDs.ValidateID(id) || !f.cookieCarries(id) {
		return ID{}, errors.New("Config.IDs generated an ID that it does not validate, or that no cookie can carry")
	}
	return id, nil
}

// canTouch reports whether the store can move an expiry without rewriting data. A store that
// wraps another one may say only at the first call that it can't.
func (f *Factory) canTouch() bool { return f.toucher != nil && !f.noTouch.Load() }
