package session

import (
	"context"
	"errors"
	"net/http"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/uptime"
)

// maxCookies is how many cookies of the name are looked up. A browser sends several if they
// were set for several paths or domains; an attacker may send any number.
const maxCookies = 4

// find returns the first session that the request names, or a new one.
func (x *exchange) find(ctx context.Context) (*Session, error) {
	var absent []ID
	corrupt := ""
	var sealed error
	wellFormed, malformed := 0, false
	var few [maxCookies]string // on the stack
	for _, value := range x.f.appendIDs(few[:0], x.lines, x.inHeader) {
		id := x.idOf(value)
		if !x.f.isWellFormed(id) {
			malformed = true
			continue
		}
		if wellFormed++; wellFormed > maxCookies {
			break
		}
		s, err := x.f.retrieve(ctx, id)
		switch {
		case err == nil:
			return s, nil
		case isGone(err):
			absent = append(absent, id)
		case errors.Is(err, ErrSealed):
			sealed = err // another cookie may name a session that can be opened
		case errors.Is(err, ErrCorrupt):
			corrupt = x.f.storeKey(id)
			x.f.cfg.Logger.WarnContext(ctx, "session: a session can't be decoded; going on without it", "key", id.Key(), "error", err)
		default:
			return nil, err
		}
	}
	if sealed != nil {
		return nil, sealed
	}
	// Clear the cookie only if it is malformed. An ID that is not found may be the old ID of a
	// session that another request is giving a new one, and clearing would delete the new
	// cookie.
	x.mu.Lock()
	x.forget = malformed && wellFormed == 0
	x.mu.Unlock()
	s, err := x.newSession(ctx, absent)
	if err == nil && (corrupt != "" || wellFormed > maxCookies) {
		s.lapse = min(s.lapse, lapsed) // a cookie that was not looked up may name a session
	}
	if err == nil && s.origin == "" && !x.f.inCookie {
		s.origin = corrupt // for Destroy
	}
	return s, err
}

// idOf returns the ID of a cookie's value. The text of the first one is kept in x, which saves
// an allocation.
func (x *exchange) idOf(value string) ID {
	if value == "" || x.sent != "" {
		return NewID(value)
	}
	x.sent = value
	return ID{text: &x.sent}
}

// newSession returns a new session for a client whose IDs, absent, the store does not know. It
// looks for marks of IDs that were changed.
func (x *exchange) newSession(ctx context.Context, absent []ID) (*Session, error) {
	s := x.f.newSession()
	renamed := false
	for _, id := range absent {
		key := x.f.storeKey(id)
		rename, err := x.f.mark(ctx, key)
		switch {
		case isGone(err):
			continue
		case err != nil:
			return nil, err
		}
		renamed = true
		s.origin, s.stored.seenAt = key, uptime.Now()-rename.Age
		if overtook(rename, x.arrived, x.r.ContentLength != 0) {
			s.phase = overtaken
			return s, nil
		}
	}
	switch {
	case len(absent) == 0:
	case renamed || !x.f.tracksRenames() || x.f.inCookie, uptime.Now()-x.arrived > driver.MarkLifetime-x.f.cfg.StoreTimeout:
		s.lapse = lapsed // a token may expire before its session, and a mark during a slow request
	default:
		s.lapse = lapsedForGood
	}
	return s, nil
}

// Lapsed reports whether the client has sent the ID of a session that no longer exists. A
// sign-in page may then say "Your session has expired." Guests have sessions too, if something was
// stored in them.
//
// If Lapsed returns true, the response clears the cookie, so that Lapsed returns false in the
// next request. There are two exceptions: if a new session is stored, the response sets its
// cookie; and if the session may exist under another ID, the response sets no cookie, because
// the client may have a new one already.
//
// If the request has the field [Config].Header, the response clears the field instead.
//
// Lapsed returns what was found when the session was read. It returns false if another request
// has just changed the session's ID, see [Session.Overtaken], and if the cookie was malformed
// or could not be decoded.
//
// Call it on the sign-in page only. If the client sends two requests at once, the response that
// clears the cookie may arrive after a response that sets the cookie of a new session.
func (s *Session) Lapsed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets = s.forgets || s.lapse == lapsedForGood
	return s.lapse != notLapsed
}

// forgetsCookie reports whether Lapsed asks for the cookie to be cleared.
func (s *Session) forgetsCookie() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgets
}

// Forget ends the sessions that the cookies of a request name, at most four, without
// decoding them, and makes the response clear the cookie. It is a way out for a user whose
// session can't be read; see [ErrSealed].
//
// Call Forget from [Config].OnError, or outside of [Factory.Handler]. In OnError it uses the
// cookies that the request had when it came in, and it also ends the session that the handler
// has used, whatever its ID is by then. If the request has the field [Config].Header, Forget
// uses and clears that field instead.
//
// If the store fails, Forget returns an error, the client keeps the cookie, and Forget can be
// called again. A session that is kept in its cookie and can't be opened is not ended: the
// client only loses the cookie.
func (f *Factory) Forget(w http.ResponseWriter, r *http.Request) error {
	lines, inHeader := f.idLines(r)
	x, _ := r.Context().Value(contextKey{f}).(*exchange)
	if x != nil {
		lines, inHeader = x.lines, x.inHeader // the handler may have changed the header of r
		if err := x.endForgotten(r.Context()); err != nil {
			return wrap("forget", err)
		}
	}
	tried := 0
	for _, value := range f.appendIDs(nil, lines, inHeader) {
		id := NewID(value)
		if !f.isWellFormed(id) {
			continue
		}
		if tried++; tried > maxCookies {
			break
		}
		e := Event{Kind: EventEnded, Reason: ReasonSignedOut}
		_, err := f.end(r.Context(), f.storeKey(id), &e)
		switch {
		case err == nil:
			f.tell(r.Context(), e)
		case isGone(err), f.inCookie && errors.Is(err, ErrSealed):
		default:
			return wrap("forget", err)
		}
	}
	if x != nil {
		x.noteForgotten()
	}
	f.forgetting(inHeader).Send(w.Header())
	return nil
}
