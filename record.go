package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

// retrieve returns the session of an ID that a client has sent.
func (f *Factory) retrieve(ctx context.Context, id ID) (*Session, error) {
	if !f.isWellFormed(id) {
		return nil, ErrNotFound
	}
	key := f.storeKey(id)
	stored, content, err := f.load(ctx, key)
	f.meter.looked(err)
	if err != nil {
		return nil, err
	}
	codec, err := f.codec(stored.meta.codec)
	if err != nil {
		return nil, err
	}
	return &Session{
		f:      f,
		codec:  codec,
		id:     id,
		key:    key,
		stored: stored,
		state:  content,
		phase:  live,
	}, nil
}

// load retrieves a record and takes it apart.
func (f *Factory) load(ctx context.Context, key string) (stored, state, error) {
	rec, err := f.fetch(ctx, key)
	if err != nil {
		return stored{}, state{}, err
	}
	return f.decode(rec)
}

// fetch retrieves a record.
func (f *Factory) fetch(ctx context.Context, key string) (rec *driver.Record, err error) {
	err = f.call(ctx, func(ctx context.Context) (err error) {
		rec, err = f.store.Retrieve(ctx, key)
		return err
	})
	return rec, err
}

// decode takes a record apart. The timeouts are enforced here, whatever the store
// does: an expired record is ErrNotFound.
func (f *Factory) decode(rec *driver.Record) (stored, state, error) {
	st, content, err := f.takeApart(rec)
	if errors.Is(err, ErrCorrupt) {
		f.meter.corrupt.Add(1)
	}
	return st, content, err
}

// errOnItsWay is no ErrCorrupt: that would sign the user out.
var errOnItsWay = errors.New("the session is on its way to another backend; open both by drivers/migrate, or end the move by Copy")

func (f *Factory) takeApart(rec *driver.Record) (stored, state, error) {
	m, err := parseMeta(rec.Meta)
	switch {
	case err != nil && move.IsNone(rec):
		return stored{}, state{}, ErrNotFound
	case err != nil && move.IsFrozen(rec):
		return stored{}, state{}, errOnItsWay
	case err != nil:
		return stored{}, state{}, err
	}
	content := state{subject: rec.Subject, label: m.label, start: m.start, own: m.own}
	if f.expired(&content, m, rec.Expires, f.cfg.Now()) {
		return stored{}, state{}, ErrNotFound
	}
	codec, err := f.codec(m.codec)
	if err != nil {
		return stored{}, state{}, err
	}
	if _, err := f.unseal(rec); err != nil {
		return stored{}, state{}, err
	}
	content.values, err = splitValues(codec, rec.Data, m.index.sizesFor(rec.Data))
	return stored{created: rec.Created, expires: rec.Expires, version: rec.Version, subject: rec.Subject, meta: m}, content, err
}

// codec returns the codec of that name.
func (f *Factory) codec(name string) (Codec, error) {
	for _, c := range []Codec{f.cfg.Codec, JSON, Gob} {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: its codec %q is not configured", ErrCorrupt, name)
}

// recordLocked returns what to store, under key, of a session that is used now.
func (s *Session) recordLocked(key string, now time.Time) (*driver.Record, meta, error) {
	data, err := joinValues(s.codec, s.state.values)
	if err != nil {
		return nil, meta{}, err
	}
	t := s.f.timeouts(&s.state)
	m := meta{start: s.state.start, seen: now, idle: t.Idle, own: s.state.own, label: s.state.label, codec: s.codec.Name()}
	expires := t.expires(s.state.start, now)
	if s.phase == live && !moves(t, s.stored.meta, s.stored.expires, expires, t.deadline(s.state.start)) {
		expires, m.seen = s.stored.expires, s.stored.meta.seen
	}
	if s.f.box == nil && !s.f.inCookie {
		m.index = newIndex(s.state.values, data)
	}
	rec := &driver.Record{
		Key:     key,
		Data:    data,
		Meta:    m.encode(),
		Created: s.stored.created,
		Expires: expires,
		Subject: s.state.subject,
		Version: s.stored.version,
	}
	s.f.seal(rec)
	return rec, m, nil
}
