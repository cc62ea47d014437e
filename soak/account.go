package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// tabs is how many tabs a browser has at most.
const tabs = 3

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
	isOff    bool // the books of it are closed
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
}

func (n *name) isCertain() bool { return !n.mayEnd && !n.retired }

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
	opens   bool // the ID was overtaken by a sign-in, and the answer has opened a session
}

// answer is what came back. A status of 0 is none.
type answer struct {
	status    int
	view      view
	cookie    *string // set by it; "" is cleared
	at        time.Time
	abandoned bool // the client did not wait for it
}

// view is what the application shows of a session.
type view struct {
	Born  string
	User  string
	N     int
	Carts map[string]int
}

// wrong is a kind of wrong answer. None may happen.
type wrong int

const (
	lost      wrong = iota // an update that was acknowledged is not there, or there twice
	revived                // a session that had ended, or the old ID of one
	stranger               // what belongs to another session
	loggedOut              // an answer as if there were no session, while there is one
	wrongs
)

var wrongNames = [wrongs]string{"lost updates", "resurrections", "others' data", "false logouts"}

// account is the books that are kept of all sessions. All requests go through
// begin and end. It is safe for concurrent use.
type account struct {
	slack    time.Duration // by which the store ends sessions too late
	always   string        // why any session may be gone at any time
	mu       sync.Mutex    // guards what follows
	lives    map[string]*life
	signed   map[string]map[*life]bool // those of users
	names    map[string]*name
	wrong    [wrongs]int
	examples []string
	overtook struct{ requests, opened, replaced int }
	refused  struct{ dead, expired int } // requests that came in vain, as they should
	gone     map[string]int              // sessions that were excused, by excuse
	recent   map[string][]string         // what users have done lately
	endings  map[string][]ending         // of users
}

// ending is a time during which all sessions of a user, but one, are being ended.
type ending struct {
	by         *life
	begin, end time.Time
}

func newAccount(slack time.Duration, always string) *account {
	return &account{
		slack: slack, always: always,
		lives: map[string]*life{}, signed: map[string]map[*life]bool{}, names: map[string]*name{}, gone: map[string]int{}, recent: map[string][]string{}, endings: map[string][]ending{},
	}
}

// begin notes what is known when r is sent.
func (a *account) begin(r *request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.sent = time.Now()
	n := a.names[r.id]
	if n == nil {
		return
	}
	l := n.life
	if r.isOff = l.isOff; r.isOff {
		return
	}
	r.life, r.signed = l, l.isSigned()
	r.isDead = n.retired || l.ended
	r.expired = l.inFlight == 0 && r.sent.After(l.tried.Add(l.idle+a.slack+late))
	r.floor, r.inCart = l.stored, l.kept
	l.inFlight++
	switch r.op {
	case add:
		l.started++
	case cart:
		l.sent[r.tab] = max(l.sent[r.tab], r.seq)
	case login:
		for _, n := range l.names {
			n.mayEnd = true
		}
	case logout:
		l.mayEnd = true
	case others:
		a.endings[r.user] = append(a.endings[r.user], ending{by: l, begin: r.sent})
		for other := range a.othersLocked(l, r.user) {
			other.mayEnd = true
		}
	}
}

// othersLocked are the sessions of a user that have signed in.
func (a *account) othersLocked(but *life, user string) iter.Seq[*life] {
	return func(yield func(*life) bool) {
		for l := range a.signed[user] {
			if l.ended {
				delete(a.signed[user], l)
			} else if l != but && !yield(l) {
				return
			}
		}
	}
}

// late is how long a request may go on in the application that the client does not wait for.
const late = 2 * time.Second

// end notes the answer, and what is wrong with it.
func (a *account) end(r *request, got answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.names[r.id]
	if l := r.life; l != nil {
		l.tried = got.at
		l.inFlight--
		switch {
		case r.op == cart && got.abandoned:
			l.unsure[r.tab] = true // it may still be on its way
		case r.op == login && got.status != 200:
			n.unknown = true
		case r.op == others:
			a.endedOthersLocked(r, got)
		}
	}
	a.traceLocked(r, got)
	if got.status != 200 || r.isOff && a.lives[got.view.Born] != nil || r.life != nil && r.life.isOff {
		return
	}
	found := r.life != nil && got.view.Born == r.life.born
	switch {
	case found:
		a.foundLocked(r, n, got)
	case got.view.Born != "" && a.lives[got.view.Born] != nil:
		a.reportLocked(stranger, r, got, "the session is another")
	case r.life != nil:
		a.missedLocked(r, n, got)
	}
	a.cookieLocked(r, n, found, got)
	if found {
		a.doneLocked(r, n, got)
	}
}

// foundLocked checks a session that was found.
func (a *account) foundLocked(r *request, n *name, got answer) {
	l, v := r.life, got.view
	switch {
	case r.isDead:
		a.reportLocked(revived, r, got, "its ID is not good any more")
	case r.expired:
		a.reportLocked(revived, r, got, "it was idle for too long")
	}
	if v.User != "" && v.User != r.user {
		a.reportLocked(stranger, r, got, "the user is another")
	}
	if v.User == "" && r.signed {
		a.reportLocked(lost, r, got, "it had signed in")
	}
	if v.N < r.floor || v.N > l.started {
		a.reportLocked(lost, r, got, fmt.Sprintf("n is %d; want %d to %d", v.N, r.floor, l.started))
	}
	for tab := range tabs {
		if k := v.Carts[fmt.Sprint("cart", tab)]; !l.unsure[tab] && (k < r.inCart[tab] || k > l.sent[tab]) {
			a.reportLocked(lost, r, got, fmt.Sprintf("cart %d is %d; want %d to %d", tab, k, r.inCart[tab], l.sent[tab]))
		}
	}
	if r.sent.After(l.seen) {
		l.seen = r.sent
	}
	if r.sent.After(l.excused) {
		l.excuse = a.always
	}
}

// missedLocked checks an answer that did not find the session.
func (a *account) missedLocked(r *request, n *name, got answer) {
	l := r.life
	switch {
	case r.isDead:
		a.refused.dead++
	case r.expired:
		a.refused.expired++
	}
	mayHaveExpired := got.at.After(l.seen.Add(l.idle - l.idle/20))
	switch {
	case !n.isCertain() || l.mayEnd || l.ended || mayHaveExpired:
	case l.excuse != "":
		a.gone[l.excuse]++
	default:
		a.reportLocked(loggedOut, r, got, "the session is alive")
	}
	if n.isCertain() {
		l.mayEnd, l.ended = true, true // once gone, gone for ever
	}
}

// cookieLocked notes the ID that the client got.
func (a *account) cookieLocked(r *request, n *name, found bool, got answer) {
	overtaken := n != nil && !n.isCertain() && !n.unknown && !r.isDead && r.op != login
	if overtaken {
		a.overtook.requests++
	}
	switch {
	case got.cookie == nil:
	case *got.cookie == "":
		if r.op != logout {
			a.reportLocked(loggedOut, r, got, "the cookie is cleared")
		}
	case found:
		a.nameLocked(r.life, *got.cookie)
	default:
		if overtaken {
			a.overtook.opened++
			r.opens = true
		}
		a.openedLocked(r, got)
	}
}

// openedLocked notes a new session.
func (a *account) openedLocked(r *request, got answer) {
	if got.view.Born != r.born {
		a.reportLocked(stranger, r, got, "a cookie for a session that it did not open")
		return
	}
	l := &life{born: r.born, idle: anonymousIdle, seen: r.sent, tried: got.at, excuse: a.always}
	switch r.op {
	case add:
		l.started, l.stored = 1, 1
	case cart:
		l.sent[r.tab], l.kept[r.tab] = r.seq, r.seq
	case login:
		a.signedInLocked(l, r, got)
	}
	a.lives[l.born] = l
	a.nameLocked(l, *got.cookie)
}

func (a *account) nameLocked(l *life, id string) {
	n := &name{life: l}
	a.names[id] = n
	l.names = append(l.names, n)
}

// signedInLocked notes a sign-in, and whether somebody may be ending it already.
func (a *account) signedInLocked(l *life, r *request, got answer) {
	l.user, l.idle, l.signedIn = r.user, r.idle, got.at
	if a.signed[l.user] == nil {
		a.signed[l.user] = map[*life]bool{}
	}
	a.signed[l.user][l] = true
	for _, e := range a.endings[r.user] {
		if e.by != l && e.begin.Before(got.at) && (e.end.IsZero() || e.end.After(r.sent)) {
			l.mayEnd = true
		}
	}
}

// endedOthersLocked notes that a user has ended all sessions but one, or that
// nobody knows whether.
func (a *account) endedOthersLocked(r *request, got answer) {
	all := a.endings[r.user]
	for i := range all {
		if all[i].by == r.life && all[i].begin.Equal(r.sent) {
			all[i].end = got.at
			if got.status != 200 {
				all[i].end = got.at.Add(time.Minute) // it may arrive yet
			}
		}
	}
	a.endings[r.user] = slices.DeleteFunc(all, func(e ending) bool { return !e.end.IsZero() && time.Since(e.end) > time.Minute })
}

// doneLocked notes what a request has achieved on a session that it found.
func (a *account) doneLocked(r *request, n *name, got answer) {
	l := r.life
	certain := n.isCertain() // else the write may have come too late, and was dropped
	switch r.op {
	case add:
		if certain {
			l.stored++
		}
	case cart:
		if certain {
			l.kept[r.tab] = max(l.kept[r.tab], r.seq)
		}
	case login:
		if got.cookie == nil {
			return // dropped: the session ended meanwhile
		}
		fresh := a.names[*got.cookie]
		for _, n := range l.names {
			n.retired = n != fresh
		}
		a.signedInLocked(l, r, got)
	case logout:
		l.ended = true
	case others:
		if got.view.User == "" {
			return // it was not signed in any more, and has ended nothing
		}
		for other := range a.othersLocked(l, r.user) {
			other.ended = other.signedIn.Before(r.sent)
		}
	}
}

// excuseAll notes that all sessions that are alive now may be gone, and why.
func (a *account) excuseAll(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lives {
		l.excuse, l.excused = why, time.Now()
	}
}

const maxExamples = 5

func (a *account) reportLocked(w wrong, r *request, got answer, what string) {
	a.wrong[w]++
	if len(a.examples) == maxExamples {
		return
	}
	trace := "\n        " + strings.Join(a.recent[r.user], "\n        ")
	a.examples = append(a.examples, fmt.Sprintf("%s: %s, tab %d, sent %s, answered after %v: %s: %+v; %v",
		wrongNames[w], opNames[r.op], r.tab, r.sent.Format("15:04:05.000"), got.at.Sub(r.sent).Round(time.Millisecond), what, got.view, r.life)+trace)
}

// replaced notes that such an answer took the cookie of the sign-in away.
func (a *account) replaced() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.overtook.replaced++
}

// closeShort closes the books of sessions with a short Idle: who has a wrong clock
// ends them too early, or too late.
func (a *account) closeShort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lives {
		l.isOff = l.isOff || l.idle == shortIdle
	}
}

// state is what there is to report.
func (a *account) state() (wrong [wrongs]int, gone int, examples []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.gone {
		gone += n
	}
	return a.wrong, gone, slices.Clone(a.examples)
}

// traceLocked notes a request among the last of its user's.
func (a *account) traceLocked(r *request, got answer) {
	const many = 100
	if r.ghost {
		return
	}
	short := func(id string) string { return id[:min(len(id), 10)] }
	set := ""
	if got.cookie != nil {
		set = ", cookie " + short(*got.cookie)
	}
	line := fmt.Sprintf("%s..%s %s with %q: %d %+v%s", r.sent.Format("05.000"), got.at.Format("05.000"), opNames[r.op], short(r.id), got.status, got.view, set)
	a.recent[r.user] = append(a.recent[r.user], line)
	if len(a.recent[r.user]) > 2*many {
		a.recent[r.user] = append([]string(nil), a.recent[r.user][many:]...)
	}
}
