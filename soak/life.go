package main

import (
	"fmt"
	"time"
)

// tabs is how many tabs a browser has at most.
const tabs = 3

// A life is a session from its first write to its end, whatever its IDs are.
type life struct {
	born string
	user string // "" until it signs in
	idle time.Duration

	started, stored int       // additions: sent, and acknowledged before anything could end them
	sent, kept      [tabs]int // the same of what the tabs have put into the cart
	unsure          [tabs]bool

	names    []*name
	inFlight int
	seen     time.Time // when the last request was sent that found it
	tried    time.Time // when the last request was answered that may have
	mayEnd   bool      // a request that ends it was sent
	ended    bool      // ... and has succeeded
	signedIn time.Time // when that was acknowledged
	excuse   string    // why it may be gone: "" or what the documentation says
	excused  time.Time
	isOff    bool  // the books of it are closed
	took     bool  // a cookie of it has replaced that of a sign-in for another session
	before   *life // of the ID that the sign-in was sent with that began this one
}

func (l *life) String() string {
	if l == nil {
		return "no session"
	}
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return time.Since(t).Round(time.Millisecond).String() + " ago"
	}
	return fmt.Sprintf("session %s of %q: %d to %d added, cart %v to %v, idle %v, found %s, asked for %s, signed in %s, ended: %v",
		l.born, l.user, l.stored, l.started, l.kept, l.sent, l.idle, ago(l.seen), ago(l.tried), ago(l.signedIn), l.ended)
}

func (l *life) isSigned() bool { return !l.signedIn.IsZero() }

// name is an ID that a client has had.
type name struct {
	life    *life
	mayEnd  bool // a sign-in that changes it was sent
	unknown bool // ... and nobody knows whether it has succeeded
	retired bool // ... and has succeeded

	signIns  int  // that were sent with it
	ofSignIn bool // the answer to a sign-in has set it
	took     bool // it has replaced the cookie of a sign-in, see replaced
}

func (n *name) isCertain() bool { return !n.mayEnd && !n.retired }

// ending is a time during which all sessions of a user, but one, are being ended.
type ending struct {
	by         *life
	begin, end time.Time
}
