package session

import (
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/internal/meta"
)

// The default timeouts are the limits of NIST SP 800-63B at AAL2.
const (
	DefaultIdle     = time.Hour
	DefaultLifetime = 24 * time.Hour
)

// Timeouts say when a session expires: after it was not used for Idle, or when it is older than
// Lifetime, whichever comes first (OWASP ASVS 5.0, 7.3.1 and 7.3.2). The factory enforces both
// whenever it reads a session, whatever the backend does. A field that is 0 stands for a
// default, which [Config] and [Session.SetTimeouts] document.
//
// A use of a session moves its expiry only if a twentieth of Idle has passed since the last
// move. So a session may expire earlier than Idle after its last use, by up to a twentieth.
type Timeouts struct {
	// Idle is how long a session lives without being used: at least a millisecond, and at most
	// Lifetime.
	Idle time.Duration

	// Lifetime is how long a session lives at most, from its creation or the last
	// [Session.SignIn]: at most 100 years. A change of the ID does not extend it.
	Lifetime time.Duration

	// Persistent makes the browser keep the cookie until the end of Lifetime ("remember me").
	// Otherwise the browser drops the cookie when it is closed.
	//
	// Browsers keep no cookie for more than 400 days. If Lifetime is longer, the response to a
	// use of the session sends the cookie again when 20 days have passed since it was last sent,
	// so that it lasts if the browser comes back within 380 days. Apart from that, the cookie is
	// sent only when the ID or the timeouts change.
	Persistent bool
}

// or returns t, with the fields that are 0 taken from def.
func (t Timeouts) or(def Timeouts) Timeouts {
	if t.Idle == 0 {
		t.Idle = def.Idle
	}
	if t.Lifetime == 0 {
		t.Lifetime = def.Lifetime
	}
	return t
}

// deadline returns the end of Lifetime of a session whose Lifetime began at start.
func (t Timeouts) deadline(start time.Time) time.Time { return start.Add(t.Lifetime) }

// expires returns when a session expires that is used now and not again.
func (t Timeouts) expires(start, now time.Time) time.Time {
	expires := now.Add(t.Idle)
	if deadline := t.deadline(start); deadline.Before(expires) {
		expires = deadline
	}
	return expires.Truncate(time.Millisecond)
}

// SetTimeouts gives this session timeouts of its own, for instance for "remember me". A field
// that is 0 is as in [Config]; the zero Timeouts undo an earlier SetTimeouts. If the new timeouts
// put the session's expiry into the past, flushing ends the session, with ReasonShortened, and
// fails with [ErrNotFound].
func (s *Session) SetTimeouts(t Timeouts) error {
	err := t.or(s.f.cfg.Timeouts).validate(t, "that of the Config")
	if err != nil && t.or(s.f.cfg.Anonymous).validate(t, "that of the Config") != nil {
		return wrap("set timeouts", err)
	}
	return wrap("set timeouts", s.change(change{survivesSignIn: true, apply: func(st *state) error {
		if st.own = nil; t != (Timeouts{}) {
			st.own = &t
		}
		return nil
	}}))
}

// StayIdle makes this request not count as a use of the session: it moves neither the expiry
// nor [Info].LastSeen. Call it in a handler that a page polls; otherwise the session stays alive
// for as long as the page is open. StayIdle applies until the request ends.
//
// Changes of values are stored, but the expiry stays. After [Session.SetTimeouts] the new Idle
// counts from the last use. A sign-in counts as a use all the same, and so does the creation of
// a session.
func (s *Session) StayIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staysIdle = true
}

// millis returns t in UTC and whole milliseconds, as records keep times.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// timeouts returns the timeouts that apply to a session in state st.
func (f *Factory) timeouts(st *state) Timeouts {
	def := f.cfg.Timeouts
	if st.subject == "" {
		def = f.cfg.Anonymous
	}
	if st.own == nil {
		return def
	}
	return st.own.or(def)
}

// expired reports whether a stored session has expired: as its record says, or because the
// timeouts of the Config were shortened after it was written.
func (f *Factory) expired(st *state, m meta.Meta, expires, now time.Time) bool {
	t := f.timeouts(st)
	return !now.Before(expires) ||
		!now.Before(t.deadline(st.start)) ||
		t.Idle < m.Idle && !now.Before(m.LastSeen(expires).Add(t.Idle))
}

// A use moves the expiry only after Idle/touchShare, so that not every read causes a write.
const touchShare = 20

// moves reports whether a write of other changes also moves the expiry, to next. To leave the
// expiry saves half of the work of a store that has an index of it. An earlier expiry is stored
// at once, and so is the last one, the end of Lifetime.
func moves(t Timeouts, m meta.Meta, expires, next, deadline time.Time) bool {
	last := !next.Before(deadline.Truncate(time.Millisecond))
	return t.Idle != m.Idle || next.Before(expires) || next.Sub(expires) >= t.Idle/touchShare || last && next.After(expires)
}

// useDue reports whether a use of the session now has to be stored: the expiry moves, or, if
// Lifetime cuts it, the time at which the session was last used.
func useDue(t Timeouts, m meta.Meta, expires, now time.Time) bool {
	return now.Sub(m.LastSeen(expires)) >= t.Idle/touchShare
}

// The bounds of Timeouts. Shorter ones would keep the store busy, and longer ones would exceed
// the range of times in some databases.
const (
	minTimeout  = time.Millisecond
	maxLifetime = 100 * 365 * 24 * time.Hour
)

// validate checks complete timeouts. given has only the fields that the caller has set; whose
// names the source of the others in errors, as in "the default".
func (t Timeouts) validate(given Timeouts, whose string) error {
	switch {
	case t.Idle < minTimeout || t.Lifetime < minTimeout:
		return errors.New("both Idle and Lifetime must be at least a millisecond; leave them 0 for the default")
	case t.Lifetime > maxLifetime:
		return fmt.Errorf("a Lifetime of more than 100 years can't be stored; %v is the most", maxLifetime)
	case t.Idle <= t.Lifetime:
		return nil
	case given.Lifetime == 0:
		return fmt.Errorf("the Idle of %v is longer than the Lifetime of %v, which is %s; set Lifetime too", t.Idle, t.Lifetime, whose)
	case given.Idle == 0:
		return fmt.Errorf("the Lifetime of %v is shorter than the Idle of %v, which is %s; set Idle too", t.Lifetime, t.Idle, whose)
	}
	return fmt.Errorf("the Idle of %v is longer than the Lifetime of %v; raise Lifetime or lower Idle", t.Idle, t.Lifetime)
}

// Moving the expiry of a session that is only read is best effort. If that fails, the old
// expiry stays, and the next use tries again. The request does not fail, because its handler
// has read all that it needs.

// movesOnly reports whether p stores a use of the session and no changes.
func (p *pending) movesOnly() bool {
	return p.changes == 0 && (p.step == touch || p.step == flush)
}

// postpone leaves it to a later use to move the expiry, which has failed with err. It returns
// nil unless the caller's own context is done.
func (m *merging) postpone(err error) error {
	if m.ctx.Err() != nil {
		return err
	}
	s := m.s
	s.mu.Lock()
	s.postponed = s.nowLocked()
	id := s.id
	s.mu.Unlock()
	m.f.cfg.Logger.WarnContext(m.ctx, "session: the expiry of a session could not be moved; the next request tries again", "key", id.Key(), "error", err)
	return nil
}

// isPostponedLocked reports whether moving the expiry has just failed. A request tries
// once, and again only in a Flush, or after a twentieth of Idle.
func (s *Session) isPostponedLocked(t Timeouts, now time.Time) bool {
	return !s.postponed.IsZero() && now.Sub(s.postponed) < t.Idle/touchShare
}
