package main

import (
	"fmt"
	"strings"
	"time"
)

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
	if a.loses {
		r.floor, r.inCart = 0, [tabs]int{}
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
	switch {
	case !n.isCertain() || l.mayEnd || l.ended || l.mayHaveExpired(got.at):
	case l.excuse != "":
		a.gone[l.excuse]++
	default:
		a.reportLocked(loggedOut, r, got, "the session is alive")
	}
	if n.isCertain() {
		l.mayEnd, l.ended = true, true // once gone, gone for ever
	}
}

const (
	maxExamples  = 3  // of each kind
	lastRequests = 30 // of the user, for each example
)

func (a *account) reportLocked(w wrong, r *request, got answer, what string) {
	a.wrong[w]++
	if a.wrong[w] > maxExamples {
		return
	}
	recent := a.recent[r.user]
	trace := "\n        " + strings.Join(recent[max(0, len(recent)-lastRequests):], "\n        ")
	a.examples = append(a.examples, fmt.Sprintf("%s: %s, tab %d, sent %s, answered after %v: %s: %+v; %v",
		wrongNames[w], opNames[r.op], r.tab, r.sent.Format("15:04:05.000"), got.at.Sub(r.sent).Round(time.Millisecond), what, got.view, r.life)+trace)
}

// traceLocked notes a request among the last of its user's.
func (a *account) traceLocked(r *request, got answer) {
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
	if n := len(a.recent[r.user]); n > 2*lastRequests {
		a.recent[r.user] = append([]string(nil), a.recent[r.user][n-lastRequests:]...)
	}
}
