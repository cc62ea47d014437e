package main

import (
	"net/http"
	"time"

	"gosession.dev/session/soak/wire"
)

// op is what a request asks for.
type op int

const (
	look op = iota
	add
	cart
	login
	logout
	others
)

var opNames = []string{"look", "add", "cart", "login", "logout", "end others"}

// request is what was sent.
type request struct {
	op    op
	tab   int
	user  string
	idle  time.Duration
	born  string // what a session that it opens is to be called
	seq   int    // for the cart
	id    string // "" is none
	isOff bool   // the books of its session are closed
	ghost bool   // the ID is not the browser's any more
	sent  time.Time

	life    *life
	signed  bool // the session was known to have signed in
	isDead  bool // the ID was known to be
	expired bool // the session was known to have
	floor   int  // additions that it has to see
	inCart  [tabs]int
	after   []string // of the page that a sign-in leads to: the sessions that its answers showed
}

// answer is what came back. A status of 0 is none.
type answer struct {
	status    int
	view      wire.View
	cookie    *string // set by it; "" is cleared
	at        time.Time
	abandoned bool // the client did not wait for it
}

// hasSignedIn reports whether r was a sign-in that has succeeded.
func (a answer) hasSignedIn(r *request) bool { return r.op == login && a.shows() && a.view.User != "" }

// shows reports whether it shows the session. What has failed may have given it an ID.
func (a answer) shows() bool {
	return a.status == http.StatusOK || a.cookie != nil && a.view.Born != ""
}
