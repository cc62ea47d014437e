package session

import (
	"context"
	"errors"

	"gosession.dev/session/driver"
)

// takeOwnSeat has a sign-in that begins a new session replace the one that the client
// got in the meantime, where the number of sessions is limited.
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
	m.f.encode(p) // a seal is bound to the time of creation, which ChangeID keeps
	return nil
}

func (s *Session) originKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.origin
}

// ownSeat looks for a session that the client got when its ID was changed, of the same
// subject: a sign-in that has found its session gone takes its place instead of another
// seat. It returns the record of that session, or nil if there is none.
func (f *Factory) ownSeat(ctx context.Context, origin, subject string) (*driver.Record, error) {
	key := origin
	for range maxHops {
		rename, err := f.mark(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		key = rename.To
		rec, err := f.fetch(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
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
	return nil, errCircle
}
