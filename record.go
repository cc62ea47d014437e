package session

import (
	"context"
	"errors"
	"fmt"

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
		f:        f,
		codec:    codec,
		identity: identity{phase: live, id: id, key: key, stored: stored},
		state:    content,
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
	st, content, err := f.describe(rec)
	if err != nil {
		return stored{}, state{}, err
	}
	codec, err := f.codec(st.meta.codec)
	if err != nil {
		return stored{}, state{}, err
	}
	if _, err := f.unseal(rec); err != nil {
		return stored{}, state{}, err
	}
	content.values, err = splitValues(codec, rec.Data, st.meta.index.sizesFor(rec.Data))
	return st, content, err
}

// describe tells what stands beside the values of a record, sealed or not.
func (f *Factory) describe(rec *driver.Record) (stored, state, error) {
	m, err := parseMeta(rec.Meta)
	switch {
	case err != nil && move.IsNone(rec):
		return stored{}, state{}, ErrNotFound
	case err != nil && move.IsFrozen(rec):
		return stored{}, state{}, errOnItsWay
	case err != nil:
		return stored{}, state{}, err
	}
	completeMeta(&m, rec)
	content := state{subject: rec.Subject, handle: m.handle, label: m.label, start: m.start, signedIn: m.signedIn, own: m.own}
	if f.expired(&content, m, rec.Expires, f.cfg.Now()) {
		return stored{}, state{}, ErrNotFound
	}
	return stored{created: rec.Created, expires: rec.Expires, version: rec.Version, subject: rec.Subject, meta: m, seenAt: uptime()}, content, nil
}

// completeMeta makes up for what metadata of release 0.1 has not.
func completeMeta(m *meta, rec *driver.Record) {
	if m.handle != (handle{}) {
		return
	}
	m.handle = handleOf(rec.Key)
	if rec.Subject != "" {
		m.signedIn = m.start
	}
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

// recordLocked completes p by the record to store of a session that is used now: under
// the key of p's ID if p gives one, else under the key that it has.
func (s *Session) recordLocked(p *pending) error {
	st := &s.state
	t := s.f.timeouts(st)
	m := meta{
		handle: st.handle, start: st.start, signedIn: st.signedIn, seen: p.now, idle: t.Idle, own: st.own,
		label: st.label, codec: s.codec.Name(), writes: s.stored.meta.writes.with(p.number),
	}
	expires := t.expires(st.start, p.now)
	if s.phase == live && !moves(t, s.stored.meta, s.stored.expires, expires, t.deadline(st.start)) {
		expires, m.seen = s.stored.expires, s.stored.meta.seen
	}
	p.record = &driver.Record{
		Key:     p.newKey(),
		Created: s.stored.created,
		Expires: expires,
		Subject: st.subject,
		Version: s.stored.version,
	}
	if p.step == touch {
		return nil // Touch sends the expiry only
	}
	data, err := joinValues(s.codec, st.values)
	if err != nil {
		return err
	}
	if s.f.box == nil && !s.f.inCookie {
		m.index = newIndex(st.values, data)
	}
	p.meta, p.data = m, data
	s.f.encode(p)
	return nil
}

// encode puts the data and the metadata of p into its record.
func (f *Factory) encode(p *pending) {
	p.record.Data, p.record.Meta = p.data, p.meta.encode()
	f.seal(p.record)
}

// newKey is the key under which p stores the session.
func (p *pending) newKey() string {
	if p.step == create || p.step == rename {
		return string(p.id.Key())
	}
	return p.oldKey
}
