package main

import (
	"slices"
	"time"
)

// cookieLocked notes the ID that the client got.
func (a *account) cookieLocked(r *request, n *name, found bool, got answer) {
	switch {
	case got.cookie == nil:
	case *got.cookie == "":
		if r.op != logout {
			a.reportLocked(loggedOut, r, got, "the cookie is cleared")
		}
	case found:
		fresh := a.nameLocked(r.life, *got.cookie)
		fresh.ofSignIn = got.hasSignedIn(r)
		if r.op != login { // sessions are in cookies: each write makes a new one
			fresh.mayEnd, fresh.retired, fresh.ofSignIn = n.mayEnd, n.retired, n.ofSignIn
		}
	default:
		a.openedLocked(r, n, got)
	}
}

// openedLocked notes a new session.
func (a *account) openedLocked(r *request, n *name, got answer) {
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
	}
	if got.hasSignedIn(r) {
		a.signedInLocked(l, r, got)
		if n != nil {
			l.before = n.life
		}
	}
	a.lives[l.born] = l
	a.nameLocked(l, *got.cookie).ofSignIn = got.hasSignedIn(r)
}

func (a *account) nameLocked(l *life, id string) *name {
	n := &name{life: l}
	a.names[id] = n
	l.names = append(l.names, n)
	return n
}

// signedInLocked notes a sign-in, and whether somebody may be ending it already.
func (a *account) signedInLocked(l *life, r *request, got answer) {
	l.user, l.idle, l.signedIn = r.user, r.idle, got.at
	if a.signed[l.user] == nil {
		a.signed[l.user] = map[*life]bool{}
	}
	a.signed[l.user][l] = true
	if a.endedMeanwhileLocked(l, r, got) {
		l.mayEnd = true
	}
}

// endedMeanwhileLocked reports whether the user was ending all sessions but another one
// than l while r was under way.
func (a *account) endedMeanwhileLocked(l *life, r *request, got answer) bool {
	return slices.ContainsFunc(a.endings[r.user], func(e ending) bool {
		return e.by != l && e.begin.Before(got.at) && (e.end.IsZero() || e.end.After(r.sent))
	})
}

// endedOthersLocked notes that a user has ended all sessions but one, or that
// nobody knows whether.
func (a *account) endedOthersLocked(r *request, got answer) {
	all := a.endings[r.user]
	for i := range all {
		if all[i].begin.Equal(r.sent) {
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
		if got.cookie == nil || !got.hasSignedIn(r) {
			return // dropped: the session ended meanwhile, or the store failed
		}
		fresh := a.names[*got.cookie]
		for _, n := range l.names {
			n.retired = n != fresh
		}
		a.signedInLocked(l, r, got)
	case others:
		if got.view.User == "" {
			return // it was not signed in any more, and has ended nothing
		}
		for other := range a.othersLocked(l, r.user) {
			other.ended = other.signedIn.Before(r.sent)
		}
	}
}
