package main

import (
	"net/http"
	"time"
)

// overtook counts requests that are in flight together with a sign-in.
type overtook struct {
	together  int // requests that were answered after a sign-in with the same ID was sent
	requests  int // ... that a sign-in has overtaken, see countOvertakenLocked
	conflicts int // ... that were answered 409
	opened    int // ... that began a session
	signOuts  int // sign-outs that were sent with the ID of a sign-in in flight
	crossed   int // ... whose answer cleared the cookie of the session that the sign-in then began
	late      int // cookies of a sign-in that were replaced by requests for sessions that had ended
	clocked   int // ... by overtaken requests while a clock was wrong, where the driver documents it
}

// countOvertakenLocked counts r if a sign-in has overtaken it. The rule: r was sent with an ID
// that no answer had shown to be changed or ended; r is neither a sign-in nor a sign-out; and
// when its answer arrives, either a sign-in with the same ID has already succeeded, or the
// answer is 409. An answer that arrives before that of the sign-in does no harm: the cookie of
// the sign-in arrives later.
func (m *model) countOvertakenLocked(r *request, known *knownID, got answer) {
	if known == nil || r.isDead || r.op == login || got.status == 0 || known.isCertain() {
		return
	}
	if r.op == logout {
		m.overtook.signOuts++
		return
	}
	m.overtook.together++
	if !known.retired && got.status != http.StatusConflict {
		return
	}
	m.overtook.requests++
	if got.status == http.StatusConflict {
		m.overtook.conflicts++
	}
	if got.cookie != nil && *got.cookie != "" && got.view.Born == r.born {
		m.overtook.opened++
	}
}

// checkReplaced checks an answer that sets or clears the cookie of a browser. before is the
// cookie that the browser had. An overtaken request has taken the cookie of a sign-in away if
// all of this holds:
//
//   - before was set by the answer to a sign-in that succeeded.
//   - The request is neither a sign-in nor a sign-out.
//   - The request was sent with an earlier ID of the session that was signed in, or with the ID
//     with which the sign-in was sent.
//   - The answer clears the cookie, or sets an old one or one of a session that has not signed in.
//   - No clock is wrong, if the documentation of the driver says that this matters.
//   - No request that the model knows may have ended the session that was signed in, or the
//     session for which the request was sent. (The application can't tell a request for a
//     session that a sign-out has ended from one of a browser that never signed in.)
//
// The order of answers is that in which the browser gets them. If the answer to the sign-in
// arrives later, the browser ends with the cookie of the sign-in.
func (m *model) checkReplaced(r *request, got answer, before string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.ids[before]
	if known == nil || !known.ofSignIn || before == r.id || r.op == login || m.mayBeOverLocked(known.session, r, got) {
		return
	}
	fresh := m.ids[*got.cookie]
	if fresh != nil && fresh.session.hasSignedIn() && !fresh.retired {
		return
	}
	isOvertaken := false
	if sent := m.ids[r.id]; sent != nil {
		isOvertaken = known.session.comesFrom(sent.session) && !m.mayBeOverLocked(sent.session, r, got)
	}
	if fresh != nil {
		fresh.tookSignIn, fresh.session.tookSignIn = true, fresh.session != known.session
	}
	switch {
	case r.op == logout:
		m.overtook.crossed++
	case !isOvertaken:
		m.overtook.late++
	case m.isWrong && m.clocked:
		m.overtook.clocked++
	default:
		m.reportLocked(takenCookie, r, got, "the answer replaces the cookie of a sign-in")
	}
}

// mayBeOverLocked reports whether s may have ended when the answer to r arrives, or may have
// been missing when the application served r.
func (m *model) mayBeOverLocked(s *session, r *request, got answer) bool {
	excused := s.excuse != m.always || m.excused.After(r.sent)
	return s.ended || s.mayEnd || s.isIgnored || excused || s.mayHaveExpired(got.at)
}

// checkSignedInLocked checks the page that the browser loads after a sign-in. It reports
// whether the sign-in was false, which it was if all of this holds:
//
//   - All requests of the sign-in, two for a double click, were answered, one of them with 200.
//   - With the cookie that the browser has then, the page shows no user or another one, or the
//     answer is 409.
//   - No request that the model knows may have ended the session of that cookie, or a session
//     that the answers to the sign-in showed.
//   - No other request has replaced the cookie: checkReplaced has counted that already.
func (m *model) checkSignedInLocked(r *request, known *knownID, got answer) bool {
	switch {
	case got.status != http.StatusOK && got.status != http.StatusConflict:
		return false
	case got.view.User == r.user, known != nil && (known.tookSignIn || known.session.tookSignIn || m.mayBeOverLocked(known.session, r, got)):
		return false
	}
	for _, born := range r.after {
		if s := m.sessions[born]; s != nil && m.mayBeOverLocked(s, r, got) {
			return false
		}
	}
	m.reportLocked(falseSignIn, r, got, "the sign-in was answered 200, and the next page does not show its user")
	return true
}

// checkRefusalLocked checks an answer of 409 or 403, and reports whether got is one that needs
// no other check. 409 is right for a request that a sign-in may have overtaken. 403 is right for
// a sign-in while the user ends their other sessions or while the store loses records, for a
// second sign-in to a session that ends meanwhile or whose ID the other click has changed, and
// for a sign-in without a session that the model checks. It is also right for a request that ends
// the user's other sessions, if its own session may have ended meanwhile.
func (m *model) checkRefusalLocked(r *request, known *knownID, got answer) bool {
	switch got.status {
	case http.StatusConflict:
		switch {
		case r.isIgnored:
		case known == nil || known.isCertain():
			m.reportLocked(falseLogout, r, got, "409, but no sign-in was in flight")
		case got.cookie != nil:
			m.reportLocked(takenCookie, r, got, "409, with a cookie")
		}
		if r.isDead {
			m.refused.dead++
		}
	case http.StatusForbidden:
		s, stale := r.session, m.endedMeanwhileLocked(nil, r, got)
		isOver := s == nil || r.signed && (known.signIns > 1 || m.mayBeOverLocked(s, r, got))
		mayBeLost := m.always != "" || m.excused.After(r.sent) // the store may have lost the subject's mark
		isRight := stale || isOver || mayBeLost
		if r.op == others {
			isRight = s == nil || m.mayBeOverLocked(s, r, got)
		}
		if r.op != login && r.op != others || !isRight {
			m.reportLocked(falseLogout, r, got, "403, but no request may have ended the session")
		}
		if stale && s != nil {
			s.mayEnd = true // the sign-in may have been stored, and the session ended then
		}
	default:
		return false
	}
	return r.after == nil
}

// comesFrom reports whether s is other, or was begun by a sign-in that was sent for other, or
// for a session that comes from other.
func (s *session) comesFrom(other *session) bool {
	for ; s != nil; s = s.before {
		if s == other {
			return true
		}
	}
	return false
}

// mayHaveExpired reports whether s may have reached its idle timeout at a time. The application
// moves the expiry only after a twentieth of Idle.
func (s *session) mayHaveExpired(at time.Time) bool {
	return at.After(s.seen.Add(s.idle - s.idle/20))
}
