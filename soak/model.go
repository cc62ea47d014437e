package main

import (
	"iter"
	"net/http"
	"sync"
	"time"
)

// violation is a kind of wrong answer. None may happen.
type violation int

const (
	lostUpdate     violation = iota // an acknowledged update is missing, or was applied twice
	resurrection                    // the answer shows a session that had ended, or finds it under an old ID
	foreignData                     // the answer shows data of another session
	falseLogout                     // the answer shows no session, although the session is alive
	falseSignIn                     // a sign-in was answered 200, but the browser is not signed in
	takenCookie                     // an overtaken request replaced the cookie of the sign-in
	violationKinds                  // the number of kinds
)

var violationNames = [violationKinds]string{"lost updates", "resurrections", "others' data", "false logouts", "false sign-ins", "cookies taken away"}

// model knows what each session must contain and whether it must be alive. begin notes each
// request before it is sent, and end checks the answer. A model is safe for concurrent use.
type model struct {
	slack   time.Duration // how much later than it was told the store ends sessions
	always  string        // why any session may be gone at any time, or ""
	loses   bool          // two concurrent requests that change a session may lose one change
	clocked bool          // a process with a wrong clock may treat an overtaken request as one for an unknown ID

	mu       sync.Mutex                   // guards what follows
	sessions map[string]*session          // by what session.born says
	signed   map[string]map[*session]bool // the sessions of each user
	ids      map[string]*knownID          // by the ID
	wrong    [violationKinds]int
	isWrong  bool     // a process has a wrong clock
	isStuck  bool     // the store can be read, but perhaps not written
	examples []string // of violations
	overtook overtook
	refused  struct{ dead, expired int } // requests that rightly found no session
	gone     map[string]int              // sessions that were missing with an excuse, by excuse
	excused  time.Time                   // when excuseAll was called last
	excuse   string                      // the reason that it was given
	recent   map[string][]string         // the last requests of each user
	endings  map[string][]ending         // the endings of each user's other sessions
}

func newModel(b backend) *model {
	return &model{
		slack: b.slack, always: b.always, loses: b.loses, clocked: b.clocked,
		sessions: map[string]*session{}, signed: map[string]map[*session]bool{}, ids: map[string]*knownID{}, gone: map[string]int{}, recent: map[string][]string{}, endings: map[string][]ending{},
	}
}

// begin notes that r is sent now, and what its answer must show.
func (m *model) begin(r *request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.sent, r.isStuck = time.Now(), m.isStuck
	known := m.ids[r.id]
	if known == nil {
		return
	}
	s := known.session
	if r.op == others { // even if the session itself is ignored
		m.endings[r.user] = append(m.endings[r.user], ending{by: s, begin: r.sent})
		for other := range m.othersLocked(s, r.user) {
			other.mayEnd = true
		}
	}
	if r.isIgnored = s.isIgnored; r.isIgnored {
		return
	}
	r.session, r.signed = s, s.hasSignedIn()
	r.isDead = known.retired || s.ended
	r.expired = s.inFlight == 0 && r.sent.After(s.tried.Add(s.idle+m.slack+grace))
	r.floor, r.inCart = s.stored, s.kept
	s.inFlight++
	switch r.op {
	case add:
		s.started++
	case cart:
		s.sent[r.tab] = max(s.sent[r.tab], r.seq)
	case login:
		known.signIns++
		s.tookSignIn = false
		if known.retired {
			break // it can't change the ID any more
		}
		for _, known := range s.ids {
			known.mayEnd = true
		}
	case logout:
		s.mayEnd = true
	}
}

// othersLocked yields the signed-in sessions of a user, without but and without those that have ended.
func (m *model) othersLocked(but *session, user string) iter.Seq[*session] {
	return func(yield func(*session) bool) {
		for s := range m.signed[user] {
			if s.ended {
				delete(m.signed[user], s)
			} else if s != but && !yield(s) {
				return
			}
		}
	}
}

// grace is how long the application may work on a request after its client has gone away.
const grace = 2 * time.Second

// end checks the answer to r, and notes what r has changed.
func (m *model) end(r *request, got answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.ids[r.id]
	if s := r.session; s != nil {
		s.tried = got.at
		s.inFlight--
		if r.op == cart && got.abandoned {
			s.unsure[r.tab] = true // the application may apply it later
		}
	}
	m.countOvertakenLocked(r, known, got)
	if r.op == others {
		m.applyEndOthersLocked(r, got)
	}
	m.traceLocked(r, got)
	if r.op == logout && got.status == http.StatusOK && r.session != nil {
		r.session.ended = true // under each ID that the session has or gets, whatever the answer shows
	}
	if m.checkRefusalLocked(r, known, got) || r.after != nil && m.checkSignedInLocked(r, known, got) || !got.shows() {
		return
	}
	if s := m.sessions[got.view.Born]; s != nil && s.isIgnored && (r.isIgnored || r.session == s) {
		if got.cookie != nil && *got.cookie != "" {
			m.addIDLocked(s, *got.cookie)
		}
		return
	}
	if r.isIgnored || r.session != nil && r.session.isIgnored {
		r.session = nil // the session may have ended at any time
	}
	found := r.session != nil && got.view.Born == r.session.born
	switch {
	case found:
		m.checkFoundLocked(r, got)
	case got.view.Born != "" && m.sessions[got.view.Born] != nil:
		m.reportLocked(foreignData, r, got, "the answer shows another session")
	case r.session != nil:
		m.checkMissingLocked(r, known, got)
	}
	m.learnCookieLocked(r, known, found, got)
	if found {
		m.applyLocked(r, known, got)
	}
}

// excuseAll notes that every session may be gone, and why.
func (m *model) excuseAll(why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.excuse, m.excused = why, time.Now()
	for _, s := range m.sessions {
		s.excuse, s.excused = why, m.excused
	}
}

// isEmpty reports whether no answer has shown a session yet.
func (m *model) isEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sessions) == 0
}

// setStuck notes whether the store can be read but perhaps not written.
func (m *model) setStuck(stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isStuck = stuck
}

// setWrongClock notes whether a process has a wrong clock.
func (m *model) setWrongClock(wrong bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isWrong = wrong
}

// ignoreShort stops checking the sessions with a short Idle: a process with a wrong clock ends
// them too early or too late.
func (m *model) ignoreShort() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		s.isIgnored = s.isIgnored || s.idle == shortIdle
	}
}

// tally has the counts that a row of the table shows.
type tally struct {
	wrong     [violationKinds]int
	overtaken int
	gone      int
}

// addSince adds the difference of two tallies.
func (t *tally) addSince(before, now tally) {
	for i := range now.wrong {
		t.wrong[i] += now.wrong[i] - before.wrong[i]
	}
	t.overtaken += now.overtaken - before.overtaken
	t.gone += now.gone - before.gone
}

// tally returns the counts up to now.
func (m *model) tally() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := tally{wrong: m.wrong, overtaken: m.overtook.requests}
	for _, n := range m.gone {
		t.gone += n
	}
	return t
}
