package main

import (
	"net/http"
	"time"
)

// overtook counts requests that are under way together with a sign-in or a sign-out.
type overtook struct {
	together  int // requests that were answered after a sign-in with the same ID was sent
	requests  int // ... and that were overtaken, see overtakenLocked
	conflicts int // ... and answered 409
	opened    int // ... and that have opened a session
	signOuts  int // sign-outs that were sent with the ID of a sign-in under way
	crossed   int // ... whose answer cleared the cookie of a session that the sign-in began afterwards
	late      int // cookies that were taken away by requests for sessions that had ended
	clocked   int // ... by overtaken requests while a clock was wrong, where the driver documents that
}

// overtakenLocked counts r if a sign-in has overtaken it. The rule: r was sent with an ID
// that was good as far as anybody knew, it is neither a sign-in nor a sign-out, and when
// its answer comes, either a sign-in with the same ID has been answered with success, or
// the answer is 409. What is answered before the sign-in can't do harm: the cookie of the
// sign-in comes later.
func (a *account) overtakenLocked(r *request, n *name, got answer) {
	if n == nil || r.isDead || r.op == login || got.status == 0 || n.isCertain() {
		return
	}
	if r.op == logout {
		a.overtook.signOuts++
		return
	}
	a.overtook.together++
	if !n.retired && got.status != http.StatusConflict {
		return
	}
	a.overtook.requests++
	if got.status == http.StatusConflict {
		a.overtook.conflicts++
	}
	if got.cookie != nil && *got.cookie != "" && got.view.Born == r.born {
		a.overtook.opened++
	}
}

// replaced notes that an answer sets or clears the cookie of a browser, which had another
// one before. An overtaken request has taken the cookie of a sign-in away if all of this
// holds:
//
//   - The cookie before was set by the answer to a sign-in that succeeded.
//   - The request is neither a sign-in nor a sign-out.
//   - It was sent with an earlier ID of the session signed in to, or with the ID that the
//     sign-in was sent with.
//   - The cookie is cleared, or is of a session that has not signed in, or is an old one.
//   - No clock is wrong, where the driver's documentation says that this matters.
//   - Nothing in the books may have ended the session signed in to, or the session that
//     the request was sent for. (The application can't tell a request for a session that
//     a sign-out has ended from one of a browser that never signed in.)
//
// The order is that in which the browser gets the answers. If the sign-in's comes later,
// the browser has its cookie in the end.
func (a *account) replaced(r *request, got answer, before string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.names[before]
	if n == nil || !n.ofSignIn || before == r.id || r.op == login || a.mayBeOverLocked(n.life, r, got) {
		return
	}
	fresh := a.names[*got.cookie]
	if fresh != nil && fresh.life.isSigned() && !fresh.retired {
		return
	}
	isOvertaken := false
	if sent := a.names[r.id]; sent != nil {
		isOvertaken = n.life.comesFrom(sent.life) && !a.mayBeOverLocked(sent.life, r, got)
	}
	if fresh != nil {
		fresh.took, fresh.life.took = true, fresh.life != n.life
	}
	switch {
	case r.op == logout:
		a.overtook.crossed++
	case !isOvertaken:
		a.overtook.late++
	case a.isWrong && a.clocked:
		a.overtook.clocked++
	default:
		a.reportLocked(takenAway, r, got, "the browser had signed in")
	}
}

// mayBeOverLocked reports whether l may be gone when the answer to r comes, or may have
// been unknown to who served r.
func (a *account) mayBeOverLocked(l *life, r *request, got answer) bool {
	excused := l.excuse != a.always || a.excused.After(r.sent)
	return l.ended || l.mayEnd || l.isOff || excused || l.mayHaveExpired(got.at)
}

// notSignedInLocked checks the page that a sign-in leads to, and reports whether it is
// wrong. It is if all of this holds:
//
//   - All requests of the sign-in, two for a double click, were answered, and one with 200.
//   - With the cookie that the browser has then, the page shows no user, or another one,
//     or the answer is 409.
//   - Nothing in the books may have ended the session of that cookie, or those that the
//     answers to the sign-in showed.
//   - No other request has taken the cookie away: replaced has counted that already.
func (a *account) notSignedInLocked(r *request, n *name, got answer) bool {
	switch {
	case got.status != http.StatusOK && got.status != http.StatusConflict:
		return false
	case got.view.User == r.user, n != nil && (n.took || n.life.took || a.mayBeOverLocked(n.life, r, got)):
		return false
	}
	for _, born := range r.after {
		if l := a.lives[born]; l != nil && a.mayBeOverLocked(l, r, got) {
			return false
		}
	}
	a.reportLocked(notSignedIn, r, got, "the sign-in before was answered 200")
	return true
}

// refusalLocked checks an answer that refuses a request for its session's sake, and
// reports whether it is one. 409 is for requests that a sign-in may have overtaken, 403
// for a sign-in while the user ends all other sessions or the store loses what it holds,
// and for one that signs in again while the session ends, or is given another ID by the
// other click.
func (a *account) refusalLocked(r *request, n *name, got answer) bool {
	switch got.status {
	case http.StatusConflict:
		switch {
		case r.isOff: // its books are closed
		case n == nil || n.isCertain():
			a.reportLocked(loggedOut, r, got, "409, but no sign-in was under way")
		case got.cookie != nil:
			a.reportLocked(takenAway, r, got, "409, with a cookie")
		}
		if r.isDead {
			a.refused.dead++
		}
	case http.StatusForbidden:
		l, stale := r.life, a.endedMeanwhileLocked(nil, r, got)
		isOver := l == nil || r.signed && (n.signIns > 1 || a.mayBeOverLocked(l, r, got))
		lost := a.always != "" || a.excused.After(r.sent) // the store may have lost the mark of the subject
		if r.op != login || !stale && !isOver && !lost {
			a.reportLocked(loggedOut, r, got, "403, but nothing has ended the session")
		}
		if stale && l != nil {
			l.mayEnd = true // it may have been stored, and ended then
		}
	default:
		return false
	}
	return r.after == nil
}

// comesFrom reports whether l is other, or was begun by a sign-in that was sent for other.
func (l *life) comesFrom(other *life) bool {
	for ; l != nil; l = l.before {
		if l == other {
			return true
		}
	}
	return false
}

// mayHaveExpired reports whether l may have been idle for too long at a time.
func (l *life) mayHaveExpired(at time.Time) bool {
	return at.After(l.seen.Add(l.idle - l.idle/20))
}
