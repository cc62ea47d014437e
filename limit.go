package session

import (
	"context"
	"errors"
	"fmt"
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
// the same ones to be too many.
func (f *Factory) seats(ctx context.Context, subject string) ([]seat, error) {
	var seats []seat
	for key, err := range f.lister.SubjectSessions(ctx, subject) {
		if err != nil {
			f.meter.failed(ctx, err)
			return nil, err
		}
		info, err := f.info(ctx, Key(key), subject)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
		case err != nil:
			return nil, err
		default:
			seats = append(seats, seat{key, info.Authenticated})
		}
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
func (f *Factory) limited(p pending) bool { return f.cfg.MaxPerSubject > 0 && p.signsIn }

// admit refuses, before p is stored, a sign-in for which there is no seat.
func (f *Factory) admit(ctx context.Context, p pending) error {
	if !f.limited(p) || !f.cfg.RefuseAtMax {
		return nil
	}
	seats, err := f.seats(ctx, p.record.Subject)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(seats, func(s seat) bool { return s.key == p.oldKey })
	if len(others) >= f.cfg.MaxPerSubject {
		return ErrTooManySessions
	}
	return nil
}

// vacate ends, after p was stored, what is too many. That the store fails then does
// not undo the sign-in: the next one counts again.
func (f *Factory) vacate(ctx context.Context, p pending) error {
	if !f.limited(p) {
		return nil
	}
	err := f.endTooMany(ctx, p)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTooManySessions) {
		f.cfg.Logger.ErrorContext(ctx, "session: the sessions of a subject could not be counted; the next sign-in counts again", "key", p.record.Key, "error", err)
		return nil
	}
	return err
}

// endTooMany ends those that signed in first or, if sign-ins are refused at the
// limit, those that signed in last, which may be this one, if another was faster.
func (f *Factory) endTooMany(ctx context.Context, p pending) error {
	seats, err := f.seats(ctx, p.record.Subject)
	if err != nil || len(seats) <= f.cfg.MaxPerSubject {
		return err
	}
	tooMany := seats[:len(seats)-f.cfg.MaxPerSubject]
	if f.cfg.RefuseAtMax {
		tooMany = seats[f.cfg.MaxPerSubject:]
	}
	ended := false
	for _, s := range tooMany {
		err := f.store.Destroy(ctx, s.key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		f.wake(Key(s.key))
		if err == nil {
			f.tell(ctx, Event{Kind: EventEnded, Key: Key(s.key), Subject: p.record.Subject, Reason: ReasonTooMany})
		}
		ended = ended || s.key == p.record.Key
	}
	switch {
	case ended && f.cfg.RefuseAtMax:
		return fmt.Errorf("%w: %w", ErrTooManySessions, ErrNotFound)
	case ended:
		return ErrNotFound
	}
	return nil
}
