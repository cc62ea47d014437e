package session

import (
	"context"
	"errors"
)

// takeOwnSeat has a sign-in that begins a new session replace the one that the client
// got in the meantime, where the number of sessions is limited.
func (m *merging) takeOwnSeat(p *pending) error {
	origin := m.s.originKey()
	if p.step != create || !m.f.limited(p) || origin == "" {
		return nil
	}
	key, version, err := m.f.ownSeat(m.ctx, origin, p.signIn.subject)
	if err == nil && key != "" {
		p.step, p.replaces = rename, true
		p.oldKey, p.oldName, p.record.Version = key, Key(key), version
	}
	return err
}

func (s *Session) originKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.origin
}

// ownSeat looks for a session that the client got when its ID was changed, of the same
// subject: a sign-in that has found its session gone takes its place instead of another
// seat. It returns the key and the version of that session, or "" if there is none.
func (f *Factory) ownSeat(ctx context.Context, origin, subject string) (key string, version uint64, err error) {
	for key := origin; ; {
		rename, err := f.mark(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return "", 0, nil
		}
		if err != nil {
			return "", 0, err
		}
		key = rename.To
		rec, err := f.fetch(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case errors.Is(err, ErrCorrupt):
			return "", 0, nil
		case err != nil:
			return "", 0, err
		case rec.Subject != subject:
			return "", 0, nil
		}
		return key, rec.Version, nil
	}
}
