package main

import (
	"fmt"
	"strings"
	"time"
)

// checkFoundLocked checks an answer that shows the session of the request.
func (m *model) checkFoundLocked(r *request, got answer) {
	s, v := r.session, got.view
	switch {
	case r.isDead:
		m.reportLocked(resurrection, r, got, "the ID was retired or the session had ended")
	case r.expired:
		m.reportLocked(resurrection, r, got, "the session had expired")
	}
	if v.User != "" && v.User != r.user {
		m.reportLocked(foreignData, r, got, "the answer shows another user")
	}
	if v.User == "" && r.signed {
		m.reportLocked(lostUpdate, r, got, "the session had signed in, and shows no user")
	}
	if m.loses {
		r.floor, r.inCart = 0, [tabs]int{}
	}
	if v.N < r.floor || v.N > s.started {
		m.reportLocked(lostUpdate, r, got, fmt.Sprintf("n is %d; want %d to %d", v.N, r.floor, s.started))
	}
	for tab := range tabs {
		if k := v.Carts[fmt.Sprint("cart", tab)]; !s.unsure[tab] && (k < r.inCart[tab] || k > s.sent[tab]) {
			m.reportLocked(lostUpdate, r, got, fmt.Sprintf("cart %d is %d; want %d to %d", tab, k, r.inCart[tab], s.sent[tab]))
		}
	}
	// If the store can't be written, a request that only reads succeeds, but does not keep the
	// session alive.
	if isUse := r.op != look || !r.isStuck && !m.isStuck; isUse && r.sent.After(s.seen) {
		s.seen = r.sent
	}
	if r.sent.After(s.excused) {
		s.excuse = m.always
	}
}

// checkMissingLocked checks an answer that does not show the session of the request.
func (m *model) checkMissingLocked(r *request, known *knownID, got answer) {
	s := r.session
	switch {
	case r.isDead:
		m.refused.dead++
	case r.expired:
		m.refused.expired++
	}
	switch {
	case !known.isCertain() || s.mayEnd || s.ended || s.mayHaveExpired(got.at):
	case s.excuse != "":
		m.gone[s.excuse]++
	default:
		m.reportLocked(falseLogout, r, got, "the session should be alive")
	}
	if known.isCertain() {
		s.mayEnd, s.ended = true, true // a session that is missing once must stay so
	}
}

const (
	maxExamples  = 3  // of each kind of violation
	lastRequests = 30 // of the user, that an example shows
)

// reportLocked counts a violation, and keeps the first ones of each kind as examples.
func (m *model) reportLocked(w violation, r *request, got answer, what string) {
	m.wrong[w]++
	if m.wrong[w] > maxExamples {
		return
	}
	recent := m.recent[r.user]
	trace := "\n        " + strings.Join(recent[max(0, len(recent)-lastRequests):], "\n        ")
	m.examples = append(m.examples, fmt.Sprintf("%s: %s, tab %d, sent %s, answered after %v: %s: %+v; %v",
		violationNames[w], opNames[r.op], r.tab, r.sent.Format("15:04:05.000"), got.at.Sub(r.sent).Round(time.Millisecond), what, got.view, r.session)+trace)
}

// traceLocked adds a request to the last requests of its user.
func (m *model) traceLocked(r *request, got answer) {
	if r.isOld {
		return
	}
	short := func(id string) string { return id[:min(len(id), 10)] }
	set := ""
	if got.cookie != nil {
		set = ", cookie " + short(*got.cookie)
	}
	line := fmt.Sprintf("%s..%s %s with %q: %d %+v%s", r.sent.Format("05.000"), got.at.Format("05.000"), opNames[r.op], short(r.id), got.status, got.view, set)
	m.recent[r.user] = append(m.recent[r.user], line)
	if n := len(m.recent[r.user]); n > 2*lastRequests {
		m.recent[r.user] = append([]string(nil), m.recent[r.user][n-lastRequests:]...)
	}
}
