package session

import (
	"errors"
	"fmt"
	"time"
)

// The default timeouts, as NIST SP 800-63B, AAL2, has them.
const (
	DefaultIdle     = time.Hour
	DefaultLifetime = 24 * time.Hour
)

// Timeouts say when a session ends by itself: when it was not used for Idle, or
// when it is older than Lifetime, whichever comes first (OWASP ASVS 5.0, 7.3.1
// and 7.3.2). The factory enforces both on every retrieve, whatever the backend
// does. A field that is 0 means the default that the place of use names.
//
// A session that is used has its expiry moved only after a twentieth of Idle has
// passed since the last move, so Idle holds to a twentieth.
type Timeouts struct {
	// Idle is how long a session lives without being used.
	Idle time.Duration

	// Lifetime is how long a session lives at most, counted from its creation
	// or from the last [Session.SignIn]. Changing the ID does not prolong it.
	Lifetime time.Duration

	// Persistent makes the cookie outlive the browser, until the end of
	// Lifetime ("remember me"). Otherwise the browser drops it when it closes.
	Persistent bool
}

// or fills what t leaves open from def.
func (t Timeouts) or(def Timeouts) Timeouts {
	if t.Idle == 0 {
		t.Idle = def.Idle
	}
	if t.Lifetime == 0 {
		t.Lifetime = def.Lifetime
	}
	return t
}

func (t Timeouts) validate() error {
	switch {
	case t.Idle < time.Millisecond || t.Lifetime < time.Millisecond:
		return errors.New("both Idle and Lifetime must be at least a millisecond; leave them 0 for the default")
	case t.Idle > t.Lifetime:
		return fmt.Errorf("the Idle of %v is longer than the Lifetime of %v; raise Lifetime or lower Idle", t.Idle, t.Lifetime)
	}
	return nil
}

// deadline is when a session that began at start ends however it is used.
func (t Timeouts) deadline(start time.Time) time.Time { return start.Add(t.Lifetime) }

// expires is when a session that is used now ends if it is not used again.
func (t Timeouts) expires(start, now time.Time) time.Time {
	expires := now.Add(t.Idle)
	if deadline := t.deadline(start); deadline.Before(expires) {
		expires = deadline
	}
	return expires.Truncate(time.Millisecond)
}

// SetTimeouts gives this session timeouts of its own, for instance for "remember me".
// Fields that are 0 are as in [Config].
func (s *Session) SetTimeouts(t Timeouts) error {
	err := t.or(s.f.cfg.Timeouts).validate()
	if err != nil && t.or(s.f.cfg.Anonymous).validate() != nil {
		return wrap("set timeouts", err)
	}
	return wrap("set timeouts", s.change(change{aside: true, apply: func(st *state) error {
		st.own = &t
		return nil
	}}))
}

// millis is the time as records have it.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// timeouts are those in force for a session of that state.
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

// expired reports whether a stored session is over: by what its record says, or
// by timeouts that were shortened since it was written.
func (f *Factory) expired(st *state, m meta, expires, now time.Time) bool {
	t := f.timeouts(st)
	return !now.Before(expires) ||
		!now.Before(t.deadline(st.start)) ||
		t.Idle < m.idle && !now.Before(m.lastSeen(expires).Add(t.Idle))
}

// touchShare of Idle has to pass before a mere use moves the expiry, so that
// reading does not mean writing.
const touchShare = 20

// moves reports whether a write has to move the expiry to next, too. For stores that
// have an index of it, that is half of the work. One that comes nearer is moved at
// once, and so is one that will not move again.
func moves(t Timeouts, m meta, expires, next, deadline time.Time) bool {
	last := !next.Before(deadline.Truncate(time.Millisecond))
	return t.Idle != m.idle || next.Before(expires) || next.Sub(expires) >= t.Idle/touchShare || last && next.After(expires)
}

// touchDue reports whether a use of the session now has to be stored. If Idle has
// changed since the record was written, the new value has to be stored too.
func touchDue(t Timeouts, m meta, expires, next, now time.Time) bool {
	return (next.After(expires) || t.Idle != m.idle) && now.Sub(m.lastSeen(expires)) >= t.Idle/touchShare
}
