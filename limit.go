package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// seat is a session that counts for [Config].MaxPerSubject.
type seat struct {
	key   string
	since time.Time // when its user signed in
}

// seats returns the live sessions of a subject, the one that signed in first in
// front. Sessions of one millisecond have an order too, so that all processes find
// the same ones to be too many. Each call of the store has StoreTimeout, however many
// there are.
func (f *Factory) seats(ctx context.Context, subject string) ([]seat, error) {
	var seats []seat
	for info, err := range f.subjectInfos(ctx, subject) {
		if err != nil {
			return nil, err
		}
		seats = append(seats, seat{string(info.Key), info.Authenticated})
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

// admit prepares, before p is stored, for a sign-in that needs a seat. It refuses one for
// which there is none. A seat comes after all that are there, whatever the clocks of
// their processes say, so that the one that has just signed in is never the oldest.
func (s *Session) admit(ctx context.Context, p *pending) error {
	if !s.f.limited(p) {
		return nil
	}
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

// refuse returns ErrTooManySessions, unless the session is gone: then one of the seats may
// be that which its client got meanwhile.
func (s *Session) refuse(ctx context.Context, p *pending) error {
	if p.step == rename && !p.replaces {
		if _, err := s.f.fetch(ctx, p.oldKey); err != nil {
			return err
		}
	}
	return ErrTooManySessions
}

// seatAfter has the sign-in of p take place after a time.
func (s *Session) seatAfter(p *pending, newest time.Time) {
	s.mu.Lock()
	p.signIn.at = newest.Add(time.Millisecond)
	if s.pendingSignInLocked() == p.signIn {
		s.state.signedIn = p.signIn.at
	}
	s.mu.Unlock()
	p.meta.signedIn = p.signIn.at
	s.f.encode(p)
}

// vacate makes, after p was stored, the subject have no more sessions than it may. If it
// can't count them, the next sign-in counts again.
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

// endFirst ends the sessions that are too many, which are the ones that signed in first.
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

// holdSeat looks maxSeatLooks times at most. It pauses for firstSeatPause after the first
// look, and then each time for twice as long.
const (
	maxSeatLooks   = 8
	firstSeatPause = 2 * time.Millisecond
)

// holdSeat refuses p, where sign-ins are refused at the limit and others were faster. It
// returns nil only if it has seen no more sessions than there may be, its own included:
// a sign-in that is stored later sees it too. Of sign-ins that are too many, the later
// ones give up at once, and the earlier ones wait for that.
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

// seatsWith returns the seats, and which of them is that of p. If there is none, the
// session was ended elsewhere, and the error matches ErrNotFound.
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
	f.cfg.Logger.ErrorContext(ctx, "session: the sessions of a subject that are too many could not be ended; the next sign-in counts again", "key", p.record.Key, "error", err)
}

func (f *Factory) endSeats(ctx context.Context, p *pending, tooMany []seat) error {
	for _, s := range tooMany {
		if err := f.endKey(ctx, Key(s.key), p.signIn.subject, ReasonTooMany); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}
