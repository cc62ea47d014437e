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
	op        op
	tab       int
	user      string
	idle      time.Duration
	born      string // the name of the session that it may begin
	seq       int    // what it puts into the cart
	id        string // from the cookie; "" if the browser has none
	isIgnored bool   // the model does not check its session
	isOld     bool   // the browser has another ID meanwhile
	sent      time.Time

	isStuck bool      // the store could perhaps not be written when it was sent
	session *session  // the session of the ID; nil if unknown or ignored
	signed  bool      // the session had certainly signed in
	isDead  bool      // the ID was retired, or the session had ended
	expired bool      // the session had certainly expired
	floor   int       // the least counter that the answer may show
	inCart  [tabs]int // the least values of the cart
	after   []string  // for the page after a sign-in: the sessions that the answers to the sign-in showed
}

// answer is the answer to a request. The status is 0 if there was none.
type answer struct {
	status    int
	view      wire.View
	cookie    *string // the cookie that it sets; "" if it clears the cookie, nil if it does neither
	at        time.Time
	abandoned bool // the client went away
}

// hasSignedIn reports whether r is a sign-in and the answer says that it succeeded.
func (a answer) hasSignedIn(r *request) bool { return r.op == login && a.shows() && a.view.User != "" }

// shows reports whether the answer shows a session. A failed request may show one too, with the
// cookie that it sets.
func (a answer) shows() bool {
	return a.status == http.StatusOK || a.cookie != nil && a.view.Born != ""
}
