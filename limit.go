package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
)

// A seat is a session that counts for [Config].MaxPerSubject.
type seat struct {
	key    string
	handle string
	since  time.Time // when the user signed in to it, or later, see seatAfter
}

// seats returns the live sessions of a subject, ordered by the time of the sign-in. The order is
// total, so that all processes choose the same sessions to end. Each call of the store has
// StoreTimeout, however many sessions there are.
func (f *Factory) seats(ctx context.Context, subject string) ([]seat, error) {
	var seats []seat
	for one, err := range f.ofSubject(ctx, subject) {
		if err != nil {
			return nil, err
		}
		seats = append(seats, seat{string(one.key), one.Handle, one.SignedInAt})
	}
	slices.SortFunc(seats, func(a, b seat) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return seats, nil
}

// limited reports whether p is a sign-in that needs a seat.
func (f *Factory) limited(p *pending) bool { return f.cfg.MaxPerSubject > 0 && p.signIn != nil }

// admit decides, before p is stored, whether there is a seat for its sign-in. The new seat gets
// a time after all other seats, whatever the clocks of their processes say, so that the
// session which has just signed in is never the oldest.
func (s *Session) admit(ctx context.Context, p *pending) error {
	if !s.f.limited(p) {
		return nil
	}
	_ = s.f.endOrphans(ctx, p.signIn.subject) // sessions that can't be ended yet count
	seats, err := s.f.seats(ctx, p.signIn.subject)
	if err != nil && !s.f.cfg.RefuseAtMax {
		s.f.logUncounted(ctx, p, err)
		return nil
	}
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(seats, func(s seat) bool { return s.key == p.oldKey })
	if s.f.cfg.RefuseAtMax && len(others) >= s.f.cfg.MaxPerSubject {
		return s.refuse(ctx, p)
	}
	if n := len(others); n > 0 && !p.signIn.at.After(others[n-1].since) {
		s.seatAfter(p, others[n-1].since)
	}
	return nil
}

// refuse returns ErrTooManySessions. If the session is gone, it returns ErrNotFound, because one
// of the seats may be the session that its client has got meanwhile.
func (s *Session) refuse(ctx context.Context, p *pending) error {
	if p.step == rename && !p.replaces {
		if _, err := s.f.fetch(ctx, p.oldKey); err != nil {
			return err
		}
	}
	return ErrTooManySessions
}

// seatAfter gives the sign-in of p a time after that of the newest seat.
func (s *Session) seatAfter(p *pending, newest time.Time) {
	s.mu.Lock()
	p.signIn.at = newest.Add(time.Millisecond)
	if s.pendingSignInLocked() == p.signIn {
		s.state.signedIn = p.signIn.at
	}
	s.mu.Unlock()
	p.meta.SignedIn = p.signIn.at
	s.f.encode(p)
}

// vacate enforces the limit of sessions after p was stored. If the sessions can't be counted,
// the sign-in is valid, and the next one counts again.
func (f *Factory) vacate(ctx context.Context, p *pending) error {
	if !f.limited(p) {
		return nil
	}
	check := f.endFirst
	if f.cfg.RefuseAtMax {
		check = f.holdSeat
	}
	err := check(ctx, p)
	if err == nil || isGone(err) || errors.Is(err, ErrTooManySessions) {
		return err
	}
	f.logUncounted(ctx, p, err)
	return nil
}

// endFirst ends the sessions above the limit, those that signed in first.
func (f *Factory) endFirst(ctx context.Context, p *pending) error {
	seats, own, err := f.seatsWith(ctx, p)
	tooMany := len(seats) - f.cfg.MaxPerSubject
	if err != nil || tooMany <= 0 {
		return err
	}
	if err := f.endSeats(ctx, p, seats[:tooMany]); err != nil {
		return err
	}
	if own < tooMany {
		return ErrNotFound
	}
	return nil
}

// holdSeat counts at most maxSeatLooks times. It pauses for firstSeatPause after the first
// time, and then each time for twice as long.
const (
	maxSeatLooks   = 8
	firstSeatPause = 2 * time.Millisecond
)

// holdSeat refuses the sign-in of p if the subject has too many sessions and others signed in
// before. It returns nil only after it has counted no more sessions than allowed, its own
// included: a sign-in that is stored later counts this one too. Of several sign-ins above the
// limit, the later ones give up at once, and the earlier ones wait for that.
func (f *Factory) holdSeat(ctx context.Context, p *pending) error {
	for look := range maxSeatLooks {
		seats, own, err := f.seatsWith(ctx, p)
		if err != nil || len(seats) <= f.cfg.MaxPerSubject {
			return err
		}
		if own >= f.cfg.MaxPerSubject {
			break
		}
		select {
		case <-time.After(firstSeatPause << look):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ErrTooManySessions
}

// seatsWith returns the seats and the index of the seat of p. If p has no seat, the session was
// ended elsewhere, and the error matches ErrNotFound.
func (f *Factory) seatsWith(ctx context.Context, p *pending) (seats []seat, own int, err error) {
	if seats, err = f.seats(ctx, p.signIn.subject); err != nil {
		return nil, 0, err
	}
	own = slices.IndexFunc(seats, func(s seat) bool { return s.key == p.record.Key })
	if own < 0 {
		return nil, 0, ErrNotFound
	}
	return seats, own, nil
}

func (f *Factory) logUncounted(ctx context.Context, p *pending, err error) {
	f.cfg.Logger.ErrorContext(ctx, "session: the oldest sessions of a subject could not be counted or ended (Config.MaxPerSubject); the next sign-in tries again", "key", f.keyOf(p.record.Key), "error", err)
}

// endSeats ends the sessions in tooMany, and ignores those that have ended.
func (f *Factory) endSeats(ctx context.Context, p *pending, tooMany []seat) error {
	for _, s := range tooMany {
		if err := f.endKey(ctx, Event{Handle: s.handle, Key: Key(s.key), Subject: p.signIn.subject, Reason: ReasonTooMany}); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

// takeOwnSeat makes p replace the session that the client has got meanwhile, if the number of
// sessions is limited and p is a sign-in that begins a new session.
func (m *merging) takeOwnSeat(p *pending) error {
	origin := m.s.originKey()
	if p.step != create || !m.f.limited(p) || origin == "" {
		return nil
	}
	rec, err := m.f.ownSeat(m.ctx, origin, p.signIn.subject)
	if err != nil || rec == nil {
		return err
	}
	p.step, p.replaces = rename, true
	p.oldKey, p.oldName = rec.Key, Key(rec.Key)
	p.record.Version, p.record.Created = rec.Version, rec.Created
	p.subject, p.handle = rec.Subject, meta.Handle{}
	if replaced, err := meta.Parse(move.Thawed(rec)); err == nil {
		p.handle = replaced.Handle
	}
	m.f.encode(p) // the seal depends on the time of creation, which ChangeID keeps
	return nil
}

func (s *Session) originKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.origin
}

// ownSeat returns the record of the session that the client has got by a change of its ID since
// origin, if that session is of the same subject, or else nil. A sign-in that has found its own
// session gone replaces it, and takes no second seat.
func (f *Factory) ownSeat(ctx context.Context, origin, subject string) (*driver.Record, error) {
	for key, err := range laterKeys(ctx, origin, f.mark) {
		if err != nil {
			return nil, err
		}
		rec, err := f.fetch(ctx, key)
		switch {
		case isGone(err):
			continue
		case errors.Is(err, ErrCorrupt):
			return nil, nil
		case err != nil:
			return nil, err
		case rec.Subject != subject:
			return nil, nil
		}
		return rec, nil
	}
	return nil, nil
}
