package session

import (
	"slices"
	"time"

	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/uptime"
)

// identity holds what this process, the store and the client know about a session's ID. The
// mutex of the Session guards it. Only the methods below change its fields.
//
// The phases, and the transitions from one to another:
//
//	fresh      The store has no such session, and there is no ID.
//	  -> live       Create has stored it and, for a sign-in, the checks after it passed.
//	  -> lost       The checks failed, or the sign-in that began the session anew was refused
//	                or discarded.
//	  -> overtaken  The sign-in that began the session anew was discarded.
//	live       The store has the session under id, as far as this process knows.
//	  -> live       Flush and Touch keep the ID; ChangeID has stored it under another one.
//	  -> lost       The store says that it is gone: ended, expired, or renamed elsewhere.
//	  -> fresh      The same, but this request signs in and begins a new session.
//	overtaken  Another request changed the client's ID while this one was in flight. The
//	           session reads as empty, and changes to it are dropped.
//	  -> fresh      SignIn: the request has presented a credential of its own.
//	lost       The session has ended, and its changes can't be stored.
//	  -> fresh      SignIn, as above.
//	destroyed  Destroy has ended the session.
//
// Beside the phase, unsure holds a write that gives the session a new ID and got no answer.
// Until its outcome is known, the session keeps its old ID. The client learns an ID only after
// the session has become live under it.
type identity struct {
	phase  phase
	id     ID       // zero until the session is stored
	key    string   // the key for id in the store
	stored stored   // the session as it was read or written last
	unsure *pending // a write of unknown outcome that gives the session an ID; else nil

	// origin is the key of the ID that the client has sent, if the store has a mark under it,
	// or a record that can't be decoded, or if a sign-in replaces its session because that is
	// gone. Destroy and takeOwnSeat follow the mark, and Destroy ends what it finds.
	origin string

	gone         *goneSession // the lost or overtaken session that a sign-in replaces, until the new one is stored; else nil
	wasOvertaken bool         // whether another request has renamed the session while it was live here

	lapse   lapse // whether the session that the client has asked for has lapsed
	forgets bool  // whether the response clears the cookie, because Lapsed was called

	client     client      // the client of the request; nil outside of one
	told       clientState // what the client knew when it sent the request
	headerSent bool        // whether it is too late to send the client a cookie
	ending     bool        // whether a Destroy got no answer, and may have ended the session
}

type phase int

const (
	fresh phase = iota
	live
	overtaken
	lost
	destroyed
)

// lapse says what became of the session whose ID the client has sent.
type lapse int

const (
	notLapsed     lapse = iota
	lapsed              // There is no session under the ID; it may have got another one.
	lapsedForGood       // There is no session under another ID either.
)

// goneSession holds what is restored if a sign-in that replaces a lost or overtaken session is
// discarded.
type goneSession struct {
	phase        phase // overtaken or lost
	subject      string
	wasOvertaken bool
	why          EventReason
}

// stored holds the record of a session as far as this process knows it.
type stored struct {
	data    []byte // the encoded values, not sealed
	created time.Time
	expires time.Time
	version uint64
	subject string
	size    int // the size of the data before sealing
	meta    meta.Meta
	seenAt  time.Duration // the uptime when the store last had the record
}

// settle updates the session after p was stored.
func (s *Session) settle(p pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = false
	if p.step == touch {
		s.inFlight = s.coveredLocked()
		s.stored.expires = p.record.Expires
		return
	}
	s.unsure, s.unanswered, s.inFlight = nil, nil, 0
	s.id, s.key = p.id, p.record.Key
	if s.f.inCookie {
		s.id = NewID(p.record.Key)
	}
	s.phase, s.origin, s.wanted, s.gone = live, "", false, nil
	s.stored = stored{
		data:    p.data,
		created: p.record.Created,
		expires: p.record.Expires,
		version: p.record.Version,
		subject: p.record.Subject,
		size:    len(p.data),
		meta:    p.meta,
		seenAt:  uptime.Now(),
	}
	s.changes = append([]change(nil), s.changes[p.changes:]...)
	if p.discarded {
		s.stored.version = 0 // read the session again, and apply the changes made since then to it
		if len(s.changes) == 0 {
			s.state = s.storedStateLocked()
		}
		s.edits++
	}
	s.rewatchLocked()
}

// fail updates the session after p has failed or got no answer.
func (s *Session) fail(p pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = nil
	switch {
	case p.unanswered && (p.step == create || p.step == rename):
		s.unsure = &p
	case p.unanswered && p.step == flush:
		if p.changes > 0 {
			s.unanswered = append(s.unanswered, unansweredWrite{p.number, p.changes})
		}
		s.stored.version = 0 // the next write reads the session first
	}
	s.inFlight = s.coveredLocked()
}

// coveredLocked returns how many of the changes are in writes of unknown outcome.
func (s *Session) coveredLocked() int {
	n := 0
	if s.unsure != nil {
		n = s.unsure.changes
	}
	for _, t := range s.unanswered {
		n = max(n, t.changes)
	}
	return n
}

// end removes the contents of the session, and then ends its contexts. The ID stays: the cookie
// of a response in flight may need it.
func (s *Session) end(how phase, why EventReason) {
	s.mu.Lock()
	ending := s.endLocked(how, why)
	s.mu.Unlock()
	ending.end()
}

// endLocked is like end, but leaves it to the caller to end the contexts.
func (s *Session) endLocked(how phase, why EventReason) endingContexts {
	s.wasOvertaken = s.wasOvertaken || s.phase == overtaken
	if s.phase != destroyed {
		s.phase = how
	}
	s.state = state{}
	s.changes, s.unanswered, s.unsure, s.inFlight = nil, nil, nil, 0
	s.edits++
	if s.why == "" {
		s.why = why
	}
	return s.unwatchLocked(&EndedError{s.why})
}

// beginAnew replaces a session that was found gone by a new one, if the pending changes have a
// sign-in of another subject. The new session has only the pending changes of this request.
// They may run the application's code, so the session is not locked while they are applied.
func (s *Session) beginAnew() (begun bool, err error) {
	var ending endingContexts
	defer ending.end()
	err = computeSteadily(func() (done bool, err error) {
		s.mu.Lock()
		in, now := s.pendingSignInLocked(), s.nowLocked()
		before, changes := s.edits, slices.Clone(s.changes)
		begins := s.phase == live && in != nil && s.stored.subject != in.subject
		s.mu.Unlock()
		if !begins {
			return true, nil
		}
		anew := newState(now)
		if err := s.computeAll(&anew, changes); err != nil {
			return false, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if begun = s.edits == before; begun {
			ending = s.beginLocked(anew, now)
		}
		return begun, nil
	})
	return begun, err
}

// beginLocked replaces the session by a new one in state anew. It returns the contexts of the
// old one, which the caller ends.
func (s *Session) beginLocked(anew state, now time.Time) (ending endingContexts) {
	ending = s.unwatchLocked(&EndedError{ReasonUnknown})
	if s.key != "" && !s.f.inCookie {
		s.origin = s.key
	}
	s.gone = &goneSession{lost, s.stored.subject, s.wasOvertaken, s.why}
	s.why = ""
	s.phase, s.id, s.key, s.unsure, s.unanswered, s.inFlight = fresh, ID{}, "", nil, nil, 0
	s.wasOvertaken = false
	s.stored = stored{created: now, seenAt: s.stored.seenAt}
	s.state = anew
	s.edits++
	return ending
}

// hasEndedLocked reports whether the session was destroyed, or found gone.
func (s *Session) hasEndedLocked() bool { return s.phase == lost || s.phase == destroyed }

// endedKeyLocked returns the key by which Destroy looks for the session, or "" if it was never
// stored.
func (s *Session) endedKeyLocked() string {
	switch {
	case s.key != "":
		return s.key
	case s.unsure != nil && s.unsure.step == create:
		return s.unsure.record.Key
	}
	return s.origin
}
