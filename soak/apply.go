package main

import (
	"slices"
	"time"
)

// learnCookieLocked notes the ID in the cookie that the answer sets, if it sets one.
func (m *model) learnCookieLocked(r *request, known *knownID, found bool, got answer) {
	switch {
	case got.cookie == nil:
	case *got.cookie == "":
		if r.op != logout {
			m.reportLocked(falseLogout, r, got, "the answer clears the cookie")
		}
	case found:
		fresh := m.addIDLocked(r.session, *got.cookie)
		fresh.ofSignIn = got.hasSignedIn(r)
		if r.op != login { // the cookie driver: each write makes a new token for the same ID
			fresh.mayEnd, fresh.retired, fresh.ofSignIn = known.mayEnd, known.retired, known.ofSignIn
		}
	default:
		m.addSessionLocked(r, known, got)
	}
}

// addSessionLocked notes the session that r has begun.
func (m *model) addSessionLocked(r *request, known *knownID, got answer) {
	if got.view.Born != r.born {
		m.reportLocked(foreignData, r, got, "the answer sets a cookie for a session that the request did not begin")
		return
	}
	s := &session{born: r.born, idle: anonymousIdle, seen: r.sent, tried: got.at, excuse: m.always}
	if m.excused.After(r.sent) { // the answer left before excuseAll was called, and arrived later
		s.excuse, s.excused = m.excuse, m.excused
	}
	switch r.op {
	case add:
		s.started, s.stored = 1, 1
	case cart:
		s.sent[r.tab], s.kept[r.tab] = r.seq, r.seq
	}
	if got.hasSignedIn(r) {
		m.applySignInLocked(s, r, got)
		if known != nil {
			s.before = known.session
		}
	}
	m.sessions[s.born] = s
	m.addIDLocked(s, *got.cookie).ofSignIn = got.hasSignedIn(r)
}

// addIDLocked notes an ID of s.
func (m *model) addIDLocked(s *session, id string) *knownID {
	known := &knownID{session: s}
	m.ids[id] = known
	s.ids = append(s.ids, known)
	return known
}

// applySignInLocked notes a sign-in to s. The user may already be ending s from another browser.
func (m *model) applySignInLocked(s *session, r *request, got answer) {
	s.user, s.idle, s.signedIn = r.user, r.idle, got.at
	if m.signed[s.user] == nil {
		m.signed[s.user] = map[*session]bool{}
	}
	m.signed[s.user][s] = true
	if m.endedMeanwhileLocked(s, r, got) {
		s.mayEnd = true
	}
}

// endedMeanwhileLocked reports whether the user, from a session other than s, was ending all
// their other sessions while r was in flight.
func (m *model) endedMeanwhileLocked(s *session, r *request, got answer) bool {
	return slices.ContainsFunc(m.endings[r.user], func(e ending) bool {
		return e.by != s && e.begin.Before(got.at) && (e.end.IsZero() || e.end.After(r.sent))
	})
}

// applyEndOthersLocked notes the end of an ending: now if r succeeded, and otherwise a minute
// later, because the application may still do it. It forgets endings that ended a minute ago.
func (m *model) applyEndOthersLocked(r *request, got answer) {
	all := m.endings[r.user]
	for i := range all {
		if all[i].begin.Equal(r.sent) {
			all[i].end = got.at
			if got.status != 200 {
				all[i].end = got.at.Add(time.Minute)
			}
		}
	}
	m.endings[r.user] = slices.DeleteFunc(all, func(e ending) bool { return !e.end.IsZero() && time.Since(e.end) > time.Minute })
}

// applyLocked notes what r has changed in the session that it found.
func (m *model) applyLocked(r *request, known *knownID, got answer) {
	s := r.session
	certain := known.isCertain() // otherwise the application may have dropped the write as too late
	switch r.op {
	case add:
		if certain {
			s.stored++
		}
	case cart:
		if certain {
			s.kept[r.tab] = max(s.kept[r.tab], r.seq)
		}
	case login:
		if got.cookie == nil || !got.hasSignedIn(r) {
			return // not signed in: the session ended meanwhile, or the store failed
		}
		fresh := m.ids[*got.cookie]
		for _, known := range s.ids {
			known.retired = known != fresh
		}
		m.applySignInLocked(s, r, got)
	case others:
		if got.view.User == "" {
			return // the session was not signed in any more, and no session was ended
		}
		for other := range m.othersLocked(s, r.user) {
			other.ended = other.signedIn.Before(r.sent)
		}
	}
}
