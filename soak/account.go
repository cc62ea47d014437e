package main

import (
	"iter"
	"net/http"
	"sync"
	"time"
)

// wrong is a kind of wrong answer. None may happen.
type wrong int

const (
	lost        wrong = iota // an update that was acknowledged is not there, or there twice
	revived                  // a session that had ended, or the old ID of one
	stranger                 // what belongs to another session
	loggedOut                // an answer as if there were no session, while there is one
	notSignedIn              // a sign-in was answered 200, and the browser is not signed in
	takenAway                // an overtaken request took the cookie of the sign-in away
	wrongs
)

var wrongNames = [wrongs]string{"lost updates", "resurrections", "others' data", "false logouts", "false sign-ins", "cookies taken away"}

// account is the books that are kept of all sessions. All requests go through
// begin and end. It is safe for concurrent use.
type account struct {
	slack    time.Duration // by which the store ends sessions too late
	always   string        // why any session may be gone at any time
	loses    bool          // of two requests at once that change a session one may lose its change
	clocked  bool          // a process with a wrong clock may take an overtaken request for a late one
	mu       sync.Mutex    // guards what follows
	lives    map[string]*life
	signed   map[string]map[*life]bool // those of users
	names    map[string]*name
	wrong    [wrongs]int
	isWrong  bool // a clock is wrong
	examples []string
	overtook overtook
	refused  struct{ dead, expired int } // requests that came in vain, as they should
	gone     map[string]int              // sessions that were excused, by excuse
	excused  time.Time                   // when all sessions were excused last
	recent   map[string][]string         // what users have done lately
	endings  map[string][]ending         // of users
}

func newAccount(b backend) *account {
	return &account{
		slack: b.slack, always: b.always, loses: b.loses, clocked: b.clocked,
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
	if r.op == others { // also if its own books are closed
		a.endings[r.user] = append(a.endings[r.user], ending{by: l, begin: r.sent})
		for other := range a.othersLocked(l, r.user) {
			other.mayEnd = true
		}
	}
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
		n.signIns++
		l.took = false
		if n.retired {
			break // it can't change the ID any more
		}
		for _, n := range l.names {
			n.mayEnd = true
		}
	case logout:
		l.mayEnd = true
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
		case r.op == login && !got.hasSignedIn(r) && got.status != http.StatusForbidden:
			n.unknown = true
		}
	}
	a.overtakenLocked(r, n, got)
	if r.op == others {
		a.endedOthersLocked(r, got)
	}
	a.traceLocked(r, got)
	if r.op == logout && got.status == http.StatusOK && r.life != nil {
		r.life.ended = true // under each ID that it has or gets, whatever the page has found
	}
	if a.refusalLocked(r, n, got) || r.after != nil && a.notSignedInLocked(r, n, got) || !got.shows() {
		return
	}
	if l := a.lives[got.view.Born]; l != nil && l.isOff && (r.isOff || r.life == l) {
		if got.cookie != nil && *got.cookie != "" {
			a.nameLocked(l, *got.cookie)
		}
		return
	}
	if r.isOff || r.life != nil && r.life.isOff {
		r.life = nil // it may have ended, whenever
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

// excuseAll notes that all sessions that are alive now may be gone, and why.
func (a *account) excuseAll(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.excused = time.Now()
	for _, l := range a.lives {
		l.excuse, l.excused = why, a.excused
	}
}

// isEmpty reports whether no session was seen yet.
func (a *account) isEmpty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lives) == 0
}

// setWrongClock notes whether a process has a wrong clock.
func (a *account) setWrongClock(wrong bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isWrong = wrong
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

// tally is what is counted for each row of the table.
type tally struct {
	wrong     [wrongs]int
	overtaken int
	gone      int
}

// addSince adds what was counted between two tallies.
func (t *tally) addSince(before, now tally) {
	for i := range now.wrong {
		t.wrong[i] += now.wrong[i] - before.wrong[i]
	}
	t.overtaken += now.overtaken - before.overtaken
	t.gone += now.gone - before.gone
}

func (a *account) tally() tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := tally{wrong: a.wrong, overtaken: a.overtook.requests}
	for _, n := range a.gone {
		t.gone += n
	}
	return t
}
