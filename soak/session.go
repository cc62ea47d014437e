package main

import (
	"fmt"
	"time"
)

// tabs is the largest number of tabs in a browser.
const tabs = 3

// session is what the model knows about one session of the application, from its first write
// to its end. Its ID may change.
type session struct {
	born string // its name, which it never changes: see request.born
	user string // "" until it signs in
	idle time.Duration

	started, stored int        // increments of its counter: sent, and acknowledged while no sign-in could drop them
	sent, kept      [tabs]int  // the same for the last value that each tab has put into the cart
	unsure          [tabs]bool // an abandoned request may still change the cart

	ids        []*knownID
	inFlight   int
	seen       time.Time // when the last request that found it was sent
	tried      time.Time // when the last request for it was answered
	mayEnd     bool      // a request that may end it was sent
	ended      bool      // it has certainly ended
	signedIn   time.Time // when the sign-in was acknowledged
	excuse     string    // why it may be gone, as documented, or ""
	excused    time.Time // when excuse was set
	isIgnored  bool      // the model does not check it any more
	tookSignIn bool      // its cookie has replaced the cookie of a sign-in to another session
	before     *session  // the session for which the sign-in was sent that began this one; nil if there is none
}

// String describes s for the examples of violations.
func (s *session) String() string {
	if s == nil {
		return "no session"
	}
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return time.Since(t).Round(time.Millisecond).String() + " ago"
	}
	return fmt.Sprintf("session %s of %q: %d to %d added, cart %v to %v, idle %v, found %s, asked for %s, signed in %s, ended: %v",
		s.born, s.user, s.stored, s.started, s.kept, s.sent, s.idle, ago(s.seen), ago(s.tried), ago(s.signedIn), s.ended)
}

func (s *session) hasSignedIn() bool { return !s.signedIn.IsZero() }

// knownID is an ID that a client has, or had.
type knownID struct {
	session *session
	mayEnd  bool // a sign-in that may change it was sent
	retired bool // a sign-in has certainly changed it

	signIns    int  // sign-ins that were sent with it
	ofSignIn   bool // it was set by the answer to a sign-in
	tookSignIn bool // it has replaced the cookie of a sign-in, see checkReplaced
}

// isCertain reports whether no sign-in may have changed the ID.
func (known *knownID) isCertain() bool { return !known.mayEnd && !known.retired }

// ending is the time during which a user ends all their sessions but one. end is zero while it
// lasts.
type ending struct {
	by         *session
	begin, end time.Time
}
