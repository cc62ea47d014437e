package session

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Session holds the state of one client: values under names. Read them with [Get], [Pop]
// and [Take]; change them with [Session.Set] and [Update].
//
// Changes stay in memory until the session is flushed. [Factory.Handler] flushes it before
// the header of the response is sent. If another request has changed the session meanwhile,
// flushing applies the changes of this Session to the newly stored values, so that no change
// is lost.
//
// A Session is safe for concurrent use by the goroutines of a request. It learns when it is
// flushed, or by [Session.Context], that the session has ended or that another request has
// changed its ID. Then it is empty, and Get and the methods that would change it fail with
// [ErrNotFound].
type Session struct {
	_ [0]sync.Mutex // go vet reports copies
	*veil
}

// veil keeps the contents of a session from being printed. Where a verb does not fit, package
// fmt follows a pointer to a struct and prints unexported fields too. So does package
// text/template. Neither follows a second pointer.
type veil struct{ *contents }

// contents holds the fields of a Session.
type contents struct {
	f     *Factory
	codec Codec // the codec under which the session is stored

	mu sync.Mutex // guards the fields below
	identity
	state      state             // the state as stored, with the changes applied
	changes    []change          // the changes since the last successful write, in order
	unanswered []unansweredWrite // flushes of unknown outcome, whose changes are still in changes
	inFlight   int               // the number of changes in a write that is under way or of unknown outcome
	postponed  time.Time         // when moving the expiry last failed; zero if it has not
	edits      uint64            // the number of times that state was changed or reloaded
	wanted     bool              // whether to store the session even if it is empty
	staysIdle  bool              // whether StayIdle was called
	writing    chan struct{}     // a semaphore of capacity 1: full while a goroutine writes the session; nil before the first write
	watch      *watch            // the watch for its contexts; nil if there are none
	why        EventReason       // why the session has ended; "" before

	computing []*computation  // the calls of the application's code that are under way
	room      [1]*computation // the memory of computing in the usual case of one call
}

func (f *Factory) newSession() *Session {
	now := millis(f.cfg.Now())
	return f.sessionOf(f.cfg.Codecs[0], identity{stored: stored{created: now}}, newState(now))
}

func (f *Factory) sessionOf(codec Codec, id identity, st state) *Session {
	all := new(struct { // one allocation
		session  Session
		veil     veil
		contents contents
	})
	all.session.veil, all.veil.contents = &all.veil, &all.contents
	s := &all.session
	s.f, s.codec, s.identity, s.state = f, codec, id, st
	return s
}

// ID returns the secret by which the client knows the session, or the zero ID if the session
// is not stored yet.
func (s *Session) ID() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Key returns the key under which the store keeps the session, or "" if the session is not
// stored yet. It changes with the ID. Use it for logs, [Factory.Inspect] and
// [Factory.Destroy]; on pages for users, show the [Session.Handle].
func (s *Session) Key() Key {
	if id := s.ID(); !id.isZero() {
		return id.Key()
	}
	return ""
}

// Format writes the key of the session, whatever the verb, and never its ID or values.
func (s *Session) Format(f fmt.State, _ rune) {
	if s.isNil() {
		io.WriteString(f, "session.Session{}") // not made by a Factory
		return
	}
	fmt.Fprintf(f, "session.Session{Key:%q}", s.Key())
}

// Handle returns the public name of the session, for instance for a list of devices: 22
// characters of URL-safe Base64, or "" if the session is not stored yet. Unlike the key, it
// stays when the ID changes. See [Factory.Revoke].
func (s *Session) Handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == fresh {
		return "" // a failed write may have drawn a handle
	}
	return s.state.handle.String()
}

// IsNew reports whether the session is not stored yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == fresh || s.phase == overtaken
}

// Overtaken reports whether another request changed the session's ID, by a sign-in for
// instance, while this request with the old ID was in flight. The session then reads as
// empty, its changes are discarded, and the response sets no cookie, so that the client keeps
// the cookie of the other response. Answer 409 (Conflict), or with a page that reloads itself.
// SignIn and Destroy still work: a sign-in begins a new session, without the guest's values.
//
// Overtaken is about ID changes before the session was read. To learn about later ones, a
// handler that runs long calls [Session.Flush]: if the ID has changed since, Flush returns
// [ErrNotFound], as Get and Set do from then on, and Overtaken returns true.
func (s *Session) Overtaken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wasOvertaken || s.phase == overtaken
}

// Subject returns the ID of the user that the session belongs to, or "" if the session is
// anonymous. See [Session.SignIn].
func (s *Session) Subject() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.subject
}

// Flush stores the changes. If other requests have changed the session since it was read,
// Flush applies the changes to the newly stored values, see [Update]. Without changes, Flush
// moves the expiry if that is due, and otherwise does not call the store. If moving the expiry
// fails, Flush logs that and returns nil; the next use tries again. A new session without
// content is not stored.
//
// If the session has ended, or another request has changed its ID, nothing is stored, and the
// error matches [ErrNotFound]. A sign-in that is refused is dropped, see [Session.SignIn], and
// so is a sign-in or a new session for a client that has gone away, see [Factory.Handler].
// After any other error the changes are kept, and the next Flush tries again.
//
// [Factory.Handler] flushes by itself. Call Flush to learn the result, or in a handler that
// runs long.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	s.postponed = time.Time{} // try again to move the expiry
	settled := s.isSettledLocked() && (s.phase == fresh || s.phase == live)
	s.mu.Unlock()
	if settled {
		return nil
	}
	return wrap("flush", s.write(ctx))
}

// ChangeID gives the session a new ID at once, and stores pending changes with it. The old ID
// is invalid from then on. The response sends the cookie with the new ID, even if it becomes
// an error page. A session that is not stored yet is left as it is: it gets a fresh ID when
// it is stored. If ChangeID fails, the session keeps its ID; but if the store gave no answer,
// the next Flush changes it. See Flush for the errors; after the header of the response is
// sent, the error matches [ErrHeaderSent].
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
