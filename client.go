package session

import "time"

// A client learns the ID of its session, and how long to keep it, from the cookie of a
// response. After the header of the response has left, it learns nothing more.

// client is the request that a session belongs to, as the session sees it.
type client interface {
	// gone returns an error if the client no longer waits for the response.
	gone() error

	// sendsHeader reports whether the ID travels in Config.Header instead of a cookie.
	sendsHeader() bool
}

// clientState is what the cookie tells the client.
type clientState struct {
	id       ID
	deadline int64 // the end of Lifetime in Unix milliseconds, if the cookie is persistent; else 0
	sent     int64 // when the cookie was last sent, in Unix milliseconds, if the session may outlive it
}

func (c clientState) is(other clientState) bool {
	return c.deadline == other.deadline && c.sent == other.sent && c.id.is(other.id)
}

// clientState returns what the cookie of s has to tell the client.
func (s *Session) clientState() (clientState, phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clientStateLocked(), s.phase
}

func (s *Session) clientStateLocked() clientState {
	c := clientState{id: s.id}
	m := &s.stored.meta
	if t := s.f.timeouts(&state{subject: s.stored.subject, own: (*Timeouts)(m.Own)}); t.Persistent {
		c.deadline, c.sent = t.deadline(m.Start).UnixMilli(), m.Sent.UnixMilli()
	}
	return c
}

// news returns what the cookie of s has to tell the client, and whether the client did not know
// that when it sent the request.
func (s *Session) news() (now clientState, isNews bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.clientStateLocked()
	return now, s.phase == live && !now.is(s.told)
}

// wasKnown reports whether the client has sent a cookie of the session.
func (s *Session) wasKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.told.id.isZero() || s.origin != ""
}

// isInHeader reports whether the ID travels in Config.Header instead of a cookie.
func (s *Session) isInHeader() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client != nil && s.client.sendsHeader()
}

// closeHeader notes that the header leaves, and reports whether it has noted it. Unless forced,
// it does so only if there is nothing left to store.
func (s *Session) closeHeader(forced bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !forced && !s.isSettledLocked() {
		return false
	}
	s.headerSent = true
	return true
}

// openHeader undoes closeHeader.
func (s *Session) openHeader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headerSent = false
}

// belongTo notes the request that s belongs to. If s is stored, its ID is one that the client
// has sent.
func (s *Session) belongTo(c client, headerSent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.headerSent = c, headerSent
	if s.phase == live {
		s.told = s.clientStateLocked()
	}
}

// Browsers keep a cookie for at most maxCookieAge. If a persistent session lasts longer, its
// cookie is sent again by a request that uses the session when a twentieth of maxCookieAge has
// passed since the cookie was last sent, until the cookie lasts as long as the session. So the
// cookie is sent rarely, and a browser keeps it if the user comes back within nineteen
// twentieths of maxCookieAge, which are 380 days.

// outlivesCookie reports whether a session with these timeouts may last longer than its
// cookie.
func (t Timeouts) outlivesCookie() bool { return t.Persistent && t.Lifetime > maxCookieAge }

// cookieDueLocked reports whether the cookie has to be sent again.
func (s *Session) cookieDueLocked(t Timeouts, now time.Time) bool {
	if !t.outlivesCookie() || s.client == nil || s.client.sendsHeader() || s.headerSent {
		return false
	}
	sent := s.stored.meta.Sent
	return t.deadline(s.state.start).After(sent.Add(maxCookieAge)) && now.Sub(sent) >= maxCookieAge/touchShare
}

// cookieSentLocked returns when the cookie was last sent, as of the time when p is stored. It
// is zero if the session can't outlive its cookie.
func (s *Session) cookieSentLocked(t Timeouts, p *pending) time.Time {
	switch {
	case !t.outlivesCookie():
		return time.Time{}
	case p.step == create, p.step == rename, s.cookieDueLocked(t, p.now):
		return p.now
	}
	return s.stored.meta.Sent
}
