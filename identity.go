package session

import (
	"slices"
	"time"
)

// identity holds what this process, the store and the client know about a session's ID.
// Everything that changes one of them goes through the methods below.
// The mutex of the Session guards it.
//
// The states of phase, and what leads from one to another:
//
//	fresh      The store has no such session, and there is no ID.
//	  -> live       Create has stored it, and, for a sign-in, the checks after it passed.
//	  -> lost       The checks failed, or a sign-in that has begun it anew was refused.
//	live       The store has the session under id, as far as is known.
//	  -> live       Flush and Touch keep the ID; ChangeID has stored it under another.
//	  -> lost       The store says that it is gone: ended, expired or renamed elsewhere.
//	  -> fresh      The same, but this request signs in: it begins a new session.
//	overtaken  The client's ID was changed while this request was on its way. The session
//	           reads as empty, and changes to it are dropped.
//	  -> fresh      SignIn: the request has presented a credential of its own.
//	lost       Nothing can be stored any more.
//	  -> fresh      SignIn, as above.
//	destroyed  Destroy has ended the session.
//
// Beside the phase, unsure holds a write that was to give the session an ID and got no
// answer. Until its outcome is known the ID stays what it was. The client learns an ID
// when the session has become live under it, and not before.
type identity struct {
	phase  phase
	id     ID     // "" until stored
	key    string // of id, to the store
	stored stored
	unsure *pending

	// origin is the key that the client has asked for, if the store had a mark under it
	// instead of a session, or a record that can't be decoded. Destroy ends what is there,
	// and follows the mark; so do the seats of a subject.
	origin string

	anew         bool // fresh, of a sign-in that has found its session gone
	wasOvertaken bool // a live session that another request has renamed meanwhile

	client     client      // of the request; nil outside of one
	told       clientState // what the client knew when it sent the request
	headerSent bool        // it is too late to tell the client
	ending     bool        // a Destroy got no answer, and may have ended the session
}

type phase int

const (
	fresh phase = iota
	live
	overtaken
	lost
	destroyed
)

// stored is what the store is known to have.
type stored struct {
	created time.Time
	expires time.Time
	version uint64
	subject string
	meta    meta
	seenAt  time.Duration // the uptime at which the store was last known to have it
}

// client is the request that a session belongs to.
type client interface {
	// gone returns an error if the client no longer waits for the response.
	gone() error
}

// clientState is what a client learns by the cookie.
type clientState struct {
	id       ID
	deadline int64 // of a persistent cookie, in Unix milliseconds; else 0
}

// settle notes that p was stored.
func (s *Session) settle(p pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = false
	if p.step == touch {
		s.inFlight = s.coveredLocked()
		s.stored.expires = p.record.Expires
		return
	}
	s.unsure, s.tried, s.inFlight = nil, nil, 0
	s.id, s.key = p.id, p.record.Key
	if s.f.inCookie {
		s.id = ID(p.record.Key)
	}
	s.phase, s.origin, s.wanted, s.anew = live, "", false, false
	s.stored = stored{
		created: p.record.Created,
		expires: p.record.Expires,
		version: p.record.Version,
		subject: p.record.Subject,
		meta:    p.meta,
		seenAt:  uptime(),
	}
	s.changes = append([]change(nil), s.changes[p.changes:]...)
}

// fail notes that p was not stored, or that it got no answer.
func (s *Session) fail(p pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = nil
	switch {
	case p.unanswered && (p.step == create || p.step == rename):
		s.unsure = &p
	case p.unanswered && p.step == flush:
		s.tried = append(s.tried, attempt{p.number, p.changes})
		s.stored.version = 0 // the next write reads the session first
	}
	s.inFlight = s.coveredLocked()
}

// coveredLocked is how many of the changes a write of unknown outcome covers.
func (s *Session) coveredLocked() int {
	n := 0
	if s.unsure != nil {
		n = s.unsure.changes
	}
	for _, t := range s.tried {
		n = max(n, t.changes)
	}
	return n
}

// end drops all that the session holds but its ID, which the cookie of a response in
// flight may still need.
func (s *Session) end(how phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(how)
}

func (s *Session) endLocked(how phase) {
	s.wasOvertaken = s.wasOvertaken || s.phase == overtaken
	if s.phase != destroyed {
		s.phase = how
	}
	s.state = state{}
	s.changes, s.tried, s.unsure, s.inFlight = nil, nil, nil, 0
	s.edits++
}

// beginAnew makes a session that was found gone a new one, of the changes that this
// request has made and not stored, if one of them is a sign-in of another subject. The
// changes may run code of the caller, so the session is not locked meanwhile.
func (s *Session) beginAnew() (begun bool, err error) {
	for {
		s.mu.Lock()
		in, now := s.pendingSignInLocked(), s.nowLocked()
		before, changes := s.edits, slices.Clone(s.changes)
		begins := s.phase == live && in != nil && s.stored.subject != in.subject
		s.mu.Unlock()
		if !begins {
			return false, nil
		}
		anew := newState(now)
		if err := applyAll(&anew, changes); err != nil {
			return false, err
		}
		s.mu.Lock()
		if begun = s.edits == before; begun {
			s.beginLocked(anew, now)
		}
		s.mu.Unlock()
		if begun {
			return true, nil
		}
	}
}

// beginLocked makes the session a new one in that state.
func (s *Session) beginLocked(anew state, now time.Time) {
	if s.key != "" && !s.f.inCookie {
		s.origin = s.key
	}
	s.phase, s.id, s.key, s.unsure, s.tried, s.inFlight = fresh, "", "", nil, nil, 0
	s.anew, s.wasOvertaken = true, false
	s.stored = stored{created: now, seenAt: s.stored.seenAt}
	s.state = anew
	s.edits++
}

// clientState returns what the client has to know of s.
func (s *Session) clientState() (clientState, phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clientStateLocked(), s.phase
}

func (s *Session) clientStateLocked() clientState {
	c := clientState{id: s.id}
	m := &s.stored.meta
	if t := s.f.timeouts(&state{subject: s.stored.subject, own: m.own}); t.Persistent {
		c.deadline = t.deadline(m.start).UnixMilli()
	}
	return c
}

// news returns what the client has to know of the session as it is stored, and whether
// the client did not know that when it sent the request.
func (s *Session) news() (now clientState, isNews bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.clientStateLocked()
	return now, s.phase == live && now != s.told
}

// wasKnown reports whether the client has sent a cookie of the session.
func (s *Session) wasKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.id != "" || s.origin != ""
}

// closeHeader notes that the client can't be told anything any more. Unless forced, it
// does so only if there is nothing left to store, and reports whether it did.
func (s *Session) closeHeader(forced bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !forced && !s.isSettledLocked() {
		return false
	}
	s.headerSent = true
	return true
}

// openHeader undoes closeHeader.
func (s *Session) openHeader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headerSent = false
}

// belongTo notes which request the session belongs to, whose client has sent its ID.
func (s *Session) belongTo(c client, headerSent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.headerSent = c, headerSent
	if s.phase == live {
		s.told = s.clientStateLocked()
	}
}

// endedKeyLocked is the key by which Destroy looks for the session; "" if it never was stored.
func (s *Session) endedKeyLocked() string {
	switch {
	case s.key != "":
		return s.key
	case s.unsure != nil && s.unsure.step == create:
		return s.unsure.record.Key
	}
	return s.origin
}
