package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Session holds the state of one client: values under string keys.
// Read them with [Get] and [Pop], change them with [Session.Set] and [Update].
//
// Changes are kept in memory until they are flushed, which [Factory.Handler] does
// before the header of the response leaves. If others have changed the session
// meanwhile, flushing applies the changes of this Session again to what they
// stored, so that no change is lost.
//
// A Session is safe for concurrent use by the goroutines of a request. When it
// ended, by Destroy or because it was ended or given another ID elsewhere, it is
// empty, and methods that would change it fail with [ErrNotFound].
type Session struct {
	f     *Factory
	codec Codec // the one that the session began with

	mu sync.Mutex // guards what follows
	identity
	state    state         // what was stored, with changes applied
	changes  []change      // since then, in order
	tried    []attempt     // writes of unknown outcome, whose changes are still among changes
	inFlight int           // how many changes a write covers that is under way, or of unknown outcome
	edits    uint64        // counts the changes of state, also by reloading
	wanted   bool          // store it though it is empty
	writing  chan struct{} // holds the token of the one write that is under way; nil before the first
}

// attempt is a write that got no answer.
type attempt struct {
	number  uint64 // its write number
	changes int    // how many of the session's changes it covers
}

// state is what a session consists of, wherever it is stored.
type state struct {
	values   encodedValues
	subject  string
	handle   handle
	label    string
	start    time.Time // when Lifetime began
	signedIn time.Time // zero without a subject
	own      *Timeouts // of SetTimeouts, or nil
}

func (st *state) clone() state {
	c := *st
	c.values = slices.Clone(st.values)
	return c
}

func (f *Factory) newSession() *Session {
	now := millis(f.cfg.Now())
	return &Session{
		f:        f,
		codec:    f.cfg.Codec,
		identity: identity{stored: stored{created: now}},
		state:    newState(now),
	}
}

// newState is that of a session that begins at a time.
func newState(now time.Time) state { return state{start: now} }

// ID returns the secret by which the client knows the session, or "" while it is
// not stored.
func (s *Session) ID() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Key returns the name of the session for lists, logs and [Factory.Destroy], or
// "" while it is not stored.
func (s *Session) Key() Key {
	if id := s.ID(); id != "" {
		return id.Key()
	}
	return ""
}

// Format writes the key of the session, whatever the verb, and never its ID or
// values.
func (s *Session) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "session.Session{Key:%q}", s.Key()) }

// Handle names the session to people, in a list of devices for instance: unlike the
// key it stays when the ID changes. It is 22 characters of URL-safe Base64, or "" while
// the session is not stored. See [Factory.Revoke].
func (s *Session) Handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.handle.String()
}

// IsNew reports whether the session is not in the store yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == fresh || s.phase == overtaken
}

// Overtaken reports whether another request has changed the session's ID, by a sign-in
// for instance, while this one was on its way with the old ID. Such a session reads as
// empty, changes to it are dropped, and the response sets no cookie, so that the
// client keeps the one of the other response. Answer 409 (Conflict), or with a page
// that loads again; a handler that signs in goes on. SignIn and Destroy work.
//
// It tells of a change before the session was read. A handler that runs long calls
// [Session.Flush]: if the ID has changed since, that returns [ErrNotFound], and Overtaken
// returns true from then on.
func (s *Session) Overtaken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wasOvertaken || s.phase == overtaken
}

// Created returns when the session began.
func (s *Session) Created() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored.created
}

// Expires returns when the session ends if it is not used again: as stored, or,
// for a new one, as of now.
func (s *Session) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == fresh || s.phase == overtaken {
		return s.f.timeouts(&s.state).expires(s.state.start, millis(s.f.cfg.Now()))
	}
	return s.stored.expires
}

// Timeouts returns the timeouts in force for this session.
func (s *Session) Timeouts() Timeouts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.timeouts(&s.state)
}

// Subject returns the subject that the session belongs to, or "" if it is anonymous.
func (s *Session) Subject() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.subject
}

// Flush stores what was changed. If nothing was, it moves the expiry when that
// is due, and otherwise costs nothing. If others have changed the session since
// it was read, the changes are applied again to what they stored; see [Update].
// A new session without content is not stored.
//
// If the session was ended meanwhile, or its ID was changed elsewhere, the error
// matches [ErrNotFound], nothing is stored, and it stays ended. A sign-in that is
// refused is dropped, see [Session.SignIn]. After any other error the changes are kept,
// and the next Flush tries again.
//
// [Factory.Handler] flushes by itself; call Flush to know the result, or in
// handlers that run long.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	settled := s.isSettledLocked() && (s.phase == fresh || s.phase == live)
	s.mu.Unlock()
	if settled {
		return nil
	}
	return wrap("flush", s.write(ctx))
}

// ChangeID gives the session a new ID at once, and stores pending changes with
// it. The old ID finds nothing from then on; the response has the new cookie, even if it
// becomes an error page. A new session is left as it is, because it will get a fresh ID. If ChangeID fails, the session keeps its ID; see Flush for the errors, and
// [ErrHeaderSent].
func (s *Session) ChangeID(ctx context.Context) error {
	if s.IsNew() {
		return nil
	}
	err := s.change(change{renames: true, apply: func(*state) error { return nil }})
	if err == nil {
		if err = s.write(ctx); err != nil {
			s.withdraw(func(c change) bool { return c.renames && c.signIn == nil })
		}
	}
	return wrap("change ID", err)
}
