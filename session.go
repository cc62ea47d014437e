package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Session is what is known of one client. It holds values under string keys;
// read them with [Get] and [Pop], change them with [Session.Set] and [Update].
//
// Changes are kept in memory until they are flushed, which [Factory.Handler] does
// before the header of the response leaves. If others have changed the session
// meanwhile, flushing applies the changes of this Session again to what they
// stored, so that no change of either is lost.
//
// A Session is safe for concurrent use by the goroutines of a request. When it
// ended, by Destroy or because it was ended or given another ID elsewhere, it is
// empty, and whatever would change it fails with [ErrNotFound].
type Session struct {
	f     *Factory
	codec Codec // the one that the session began with

	mu         sync.Mutex // guards what follows
	id         ID         // "" until stored
	key        string     // of id, to the store
	stored     stored
	state      state    // what was stored, with changes applied
	changes    []change // since then, in order
	inFlight   int      // how many of them a write that is under way covers
	edits      uint64   // counts the changes of state, also by reloading
	phase      phase
	wanted     bool          // store it though it is empty
	overtaken  bool          // see newOvertaken
	headerSent bool          // a new ID can't be told to the client any more
	writing    chan struct{} // holds the token of the one write that is under way; nil before the first

	ending bool // a Destroy has failed, and may have ended it all the same; whoever writes has it
}

// stored is what the store is known to have.
type stored struct {
	created time.Time
	expires time.Time
	version uint64
	subject string
	meta    meta
}

// state is what a session consists of, wherever it is stored.
type state struct {
	values  encodedValues
	subject string
	label   string
	start   time.Time // when Lifetime began
	own     *Timeouts // of SetTimeouts, or nil
}

func (st *state) clone() state {
	c := *st
	c.values = slices.Clone(st.values)
	return c
}

type phase int

const (
	fresh     phase = iota // not in the store yet
	live                   // in the store, as far as is known
	lost                   // found to be gone
	destroyed              // ended by Destroy of this Session
)

func (f *Factory) newSession() *Session {
	now := millis(f.cfg.Now())
	return &Session{
		f:      f,
		codec:  f.cfg.Codec,
		stored: stored{created: now},
		state:  state{start: now},
	}
}

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

// IsNew reports whether the session is not in the store yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == fresh
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
	if s.phase == fresh {
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

// Subject returns whom the session belongs to, or "" if that is nobody yet.
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
// matches [ErrNotFound], nothing is stored, and it stays ended. After any other
// error the changes are kept, and the next Flush tries again.
//
// [Factory.Handler] flushes by itself; call Flush to know the result, or in
// handlers that run long.
func (s *Session) Flush(ctx context.Context) error {
	if s.isSettled() {
		return nil
	}
	return wrap("flush", s.write(ctx))
}

// ChangeID gives the session a new ID at once, and stores pending changes with
// it. The old ID finds nothing from then on. A new session is left as it is, for
// it will get an ID that nobody has seen. If ChangeID fails, the session keeps
// its ID; see Flush for the errors, and [ErrHeaderSent].
func (s *Session) ChangeID(ctx context.Context) error {
	if s.IsNew() {
		return nil
	}
	err := s.change(change{renames: true, apply: func(*state) error { return nil }})
	if err == nil {
		err = s.write(ctx)
	}
	return wrap("change ID", err)
}

// Destroy ends the session: no request that is still being served brings it back.
// Pending changes are dropped. That the session had ended already is no error. If
// Destroy fails, the session is not ended, and the client keeps its cookie, so
// that signing out can be tried again.
//
// In a handler, [FromContext] gives a new session after Destroy.
func (s *Session) Destroy(ctx context.Context) error {
	return wrap("destroy", s.exclusively(ctx, func() error {
		s.mu.Lock()
		id, key, subject := s.id, s.key, s.stored.subject
		s.mu.Unlock()
		if id != "" {
			err := s.f.call(ctx, func(ctx context.Context) error {
				return s.f.store.Destroy(ctx, key)
			})
			switch {
			case err == nil || errors.Is(err, ErrNotFound) && s.ending:
				s.ending = false
				s.f.tell(ctx, Event{Kind: EventEnded, Key: id.Key(), Subject: subject, Reason: ReasonSignedOut})
			case !errors.Is(err, ErrNotFound):
				s.ending = true
				return err
			}
		}
		s.end(destroyed)
		s.f.wake(id.Key())
		return nil
	}))
}

// end drops all that the session holds but its ID, which the cookie of a
// response in flight may still need.
func (s *Session) end(how phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != destroyed {
		s.phase = how
	}
	s.state = state{}
	s.changes, s.inFlight = nil, 0
	s.edits++
}
