package session

import (
	"context"
	"errors"
)

// maxCookies is how many cookies of our name are looked up: a browser sends
// several if they were set for several paths or domains, an attacker any number.
const maxCookies = 4

// find returns the first session that a cookie of the request names, or a new one.
func (x *exchange) find(ctx context.Context) (*Session, error) {
	var absent []ID
	corrupt := ""
	var sealed error
	wellFormed, malformed := 0, false
	for value := range cookieValues(x.r.Header, x.f.cfg.Cookie.Name) {
		id := ID(value)
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
		case errors.Is(err, ErrNotFound):
			absent = append(absent, id)
		case errors.Is(err, ErrSealed):
			sealed = err // another cookie may be of a session that opens
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
	// Only what is malformed is cleared. An ID that is not found may be the old one of a
	// session that another request is giving a new one, and clearing would delete the
	// new cookie.
	x.mu.Lock()
	x.forget = malformed && wellFormed == 0
	x.mu.Unlock()
	s, err := x.newSession(ctx, absent)
	if err == nil && s.origin == "" && !x.f.inCookie {
		s.origin = corrupt // for Destroy
	}
	return s, err
}

// newSession returns a session for a client whose IDs were not found, and looks whether
// they were changed.
func (x *exchange) newSession(ctx context.Context, absent []ID) (*Session, error) {
	s := x.f.newSession()
	for _, id := range absent {
		key := x.f.storeKey(id)
		rename, err := x.f.mark(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return nil, err
		}
		s.origin, s.stored.seenAt = key, uptime()-rename.Age
		if overtook(rename, x.arrived, x.r.ContentLength != 0) {
			s.phase = overtaken
			return s, nil
		}
	}
	return s, nil
}
