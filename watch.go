package session

import (
	"context"
	"time"

	"gosession.dev/session/internal/poll"
)

// EndedError is the cause ([context.Cause]) of a context of [Session.Context] whose session has
// ended. It matches [ErrNotFound].
type EndedError struct {
	Reason EventReason // why the session has ended; ReasonUnknown if another process has ended it
}

func (e *EndedError) Error() string { return "session: the session has ended: " + string(e.Reason) }
func (e *EndedError) Unwrap() error { return ErrNotFound }

// Context returns a context, derived from parent, that is done when the session ends: when it is
// ended, expires, or gets another ID by another request. Use it in a handler that runs long,
// such as a websocket's, which must not continue after the user has signed out. Call the
// returned function when the handler returns, to release the resources of the context.
//
//	ctx, cancel := s.Context(r.Context())
//	defer cancel()
//	for {
//		select {
//		case <-ctx.Done():
//			return
//		case event := <-events:
//			...
//		}
//	}
//
// If the session has ended, [context.Cause] returns an [*EndedError], the session is empty, and
// methods that would change it fail with [ErrNotFound]. If the factory was closed, it returns
// [ErrClosed]; if the returned function was called, [context.Canceled]; and otherwise the cause
// of the parent.
//
// If this process ends the session, the context is done at once; if another process does, when the
// factory next reads the session from the store, which it does every [Config].WatchInterval. That
// does not count as a use of the session, and a failing store ends no context. All contexts of a
// Session share the reads, and none starts a goroutine.
func (s *Session) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &waiter{cancel: cancel}
	if err := s.addWaiter(w); err != nil {
		cancel(err)
		return ctx, func() {}
	}
	stop := context.AfterFunc(parent, func() { s.removeWaiter(w) })
	return ctx, func() {
		cancel(nil)
		stop()
		s.removeWaiter(w)
	}
}

// watch watches the store for the contexts of one session.
type watch struct {
	poll.Item // its item in Factory.watchers

	session *Session

	// The mutex of the session guards the fields below.
	waiters []*waiter
	expires time.Time // the expiry of the session at the last look
}

// The indexes of a session's key and subject in the names of its watch. A subject may be empty.
const (
	byKey = iota
	bySubject
)

// Look implements [poll.Target].
func (w *watch) Look(ctx context.Context) time.Duration { return w.session.look(ctx) }

// Closed implements [poll.Target].
func (w *watch) Closed() { w.session.endContexts(ErrClosed) }

// waiter is a context that ends with its session.
type waiter struct {
	cancel context.CancelCauseFunc
	place  int // its index in watch.waiters
}

// addWaiter adds a context that ends with the session. If the session has ended already, or the
// factory is closed, addWaiter returns the cause.
func (s *Session) addWaiter(w *waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case overtaken:
		return &EndedError{ReasonChangedID}
	case lost, destroyed:
		return &EndedError{s.why}
	}
	if s.watch == nil {
		watch := &watch{session: s}
		if !s.f.watchers.Add(&watch.Item, watch, s.namesLocked()) {
			return ErrClosed
		}
		s.watch = watch
	}
	w.place = len(s.watch.waiters)
	s.watch.waiters = append(s.watch.waiters, w)
	return nil
}

func (s *Session) removeWaiter(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch == nil || w.place >= len(s.watch.waiters) || s.watch.waiters[w.place] != w {
		return
	}
	ws := s.watch.waiters
	last := len(ws) - 1
	ws[last].place = w.place
	ws[w.place], ws[last] = ws[last], nil
	if s.watch.waiters = ws[:last]; last == 0 {
		s.f.watchers.Remove(&s.watch.Item)
		s.watch = nil
	}
}

// endContexts ends the contexts of the session with a cause.
func (s *Session) endContexts(cause error) {
	s.mu.Lock()
	ending := s.unwatchLocked(cause)
	s.mu.Unlock()
	ending.end()
}

// unwatchLocked stops watching the session and returns its contexts. The caller ends them after
// it has unlocked the session.
func (s *Session) unwatchLocked(cause error) (ending endingContexts) {
	if s.watch != nil {
		ending = endingContexts{s.watch.waiters, cause}
		s.f.watchers.Remove(&s.watch.Item)
		s.watch = nil
	}
	return ending
}

// endingContexts are contexts that are about to end, with their cause.
type endingContexts struct {
	waiters []*waiter
	cause   error
}

// end ends the contexts. That calls methods of their parents, which may be the application's and
// may use the session, so the session must not be locked.
func (e *endingContexts) end() {
	for _, w := range e.waiters {
		w.cancel(e.cause)
	}
}

// namesLocked returns the names by which the factory's watchers find the session.
func (s *Session) namesLocked() poll.Names {
	if s.phase != live {
		return poll.Names{}
	}
	return poll.Names{string(s.f.keyOf(s.key)), s.stored.subject}
}

// rewatchLocked updates the names after the key or the subject may have changed.
func (s *Session) rewatchLocked() {
	if s.watch != nil {
		s.f.watchers.Rename(&s.watch.Item, s.namesLocked())
	}
}

// minLook is the shortest time between two looks.
const minLook = 10 * time.Millisecond

// look reads the session, ends it if it is gone, and returns how long to wait before the next
// look. Only ErrNotFound from the store means that the session is gone.
func (s *Session) look(ctx context.Context) time.Duration {
	interval := s.f.cfg.WatchInterval
	s.mu.Lock()
	isLive, key := s.phase == live, s.key
	s.mu.Unlock()
	if !isLive {
		return interval // the session was never stored, or has ended
	}
	rec, err := s.f.fetch(ctx, key)
	var found stored
	if err == nil {
		found, _, err = s.f.describe(rec)
	}
	switch {
	case isGone(err):
		_ = s.exclusively(ctx, func() error { s.endIfGone(ctx, key); return nil })
	case err == nil:
		s.noteExpiry(found.expires)
		if left := found.expires.Sub(s.f.cfg.Now()); left < interval {
			return max(left, minLook)
		}
	}
	return interval
}

// noteExpiry notes the expiry that the store has, which another request may have moved.
func (s *Session) noteExpiry(expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch != nil {
		s.watch.expires = expires
	}
}

// endIfGone ends the session, which was not found under key, unless its own ID has changed since
// or may have changed. If a sign-in is pending, only the contexts end: flushing decides what
// becomes of the sign-in, see [Session.SignIn].
func (s *Session) endIfGone(ctx context.Context, key string) {
	s.mu.Lock()
	gone := s.phase == live && s.key == key && s.unsure == nil
	signsIn := s.pendingSignInLocked() != nil
	s.mu.Unlock()
	switch {
	case gone && signsIn:
		s.endContexts(&EndedError{s.whyGone(ctx)})
	case gone:
		s.drop(ctx)
	}
}

// whyGone returns why the store does not have the session any more, or ReasonUnknown.
func (s *Session) whyGone(ctx context.Context) EventReason {
	s.mu.Lock()
	key, expires, hint := s.key, s.stored.expires, EventReason("")
	if w := s.watch; w != nil {
		hint = EventReason(s.f.watchers.Hint(&w.Item))
		if w.expires.After(expires) {
			expires = w.expires
		}
	}
	s.mu.Unlock()
	if hint != "" {
		return hint
	}
	if _, err := s.f.mark(ctx, key); err == nil {
		return ReasonChangedID
	}
	if !s.f.cfg.Now().Before(expires) {
		return ReasonExpired
	}
	return ReasonUnknown
}
