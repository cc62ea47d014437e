package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/seal"
	"gosession.dev/session/internal/uptime"
	"gosession.dev/session/internal/values"
)

// state is the content of a session, wherever it is stored.
type state struct {
	values   values.List
	subject  string
	handle   meta.Handle
	label    string
	start    time.Time // when Lifetime began
	signedIn time.Time // zero without a subject
	own      *Timeouts // the timeouts of SetTimeouts, or nil
}

func (st *state) clone() state {
	c := *st
	c.values = slices.Clone(st.values)
	return c
}

// newState returns the state of a session that begins at now.
func newState(now time.Time) state { return state{start: now} }

// retrieve returns the session with an ID that a client has sent.
func (f *Factory) retrieve(ctx context.Context, id ID) (*Session, error) {
	if !f.isWellFormed(id) {
		return nil, ErrNotFound
	}
	key := f.storeKey(id)
	stored, content, err := f.load(ctx, key)
	f.counts.looked(err)
	if err != nil {
		return nil, err
	}
	codec, err := f.codec(stored.meta.Codec)
	if err != nil {
		return nil, err
	}
	return f.sessionOf(codec, identity{phase: live, id: id, key: key, stored: stored}, content), nil
}

// load retrieves a record and decodes it.
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

// decode decodes a record. It enforces the timeouts, whatever the store does: for an expired
// record the error is ErrNotFound.
func (f *Factory) decode(rec *driver.Record) (stored, state, error) {
	st, content, err := f.takeApart(rec)
	return st, content, f.countCorrupt(err)
}

// countCorrupt returns err, and counts it if it says that a record can't be decoded.
func (f *Factory) countCorrupt(err error) error {
	if errors.Is(err, ErrCorrupt) {
		f.meter.Corrupt.Add(1)
	}
	return err
}

// errMoving does not match ErrCorrupt, which would sign the user out.
var errMoving = fmt.Errorf("%w: the session is being moved to another backend; open both with drivers/migrate, or finish the move with migrate.Move", ErrUnavailable)

func (f *Factory) takeApart(rec *driver.Record) (stored, state, error) {
	st, content, err := f.describe(rec)
	if err != nil {
		return stored{}, state{}, err
	}
	if _, err := f.sealing.Open(rec); err != nil {
		return stored{}, state{}, err
	}
	codec, err := f.codec(st.meta.Codec) // only now, because an unknown codec signs the user out, and ErrSealed does not
	if err == nil {
		content.values, err = values.Split(codec.Name(), rec.Data, st.meta.Index)
		st.data = rec.Data
	}
	return st, content, err
}

// describe decodes everything but the values of a record, which may be sealed.
func (f *Factory) describe(rec *driver.Record) (stored, state, error) {
	m, err := meta.Parse(rec)
	switch {
	case err != nil && move.IsNone(rec):
		return stored{}, state{}, ErrNotFound
	case err != nil && move.IsFrozen(rec):
		return stored{}, state{}, errMoving
	case err != nil:
		return stored{}, state{}, err
	}
	content := stateOf(rec.Subject, &m)
	if f.expired(&content, m, rec.Expires, f.cfg.Now()) {
		return stored{}, state{}, ErrNotFound
	}
	return stored{created: rec.Created, expires: rec.Expires, version: rec.Version, subject: rec.Subject, size: seal.PlainSize(rec.Data), meta: m, seenAt: uptime.Now()}, content, nil
}

// stateOf returns the state of a stored session without its values.
func stateOf(subject string, m *meta.Meta) state {
	return state{subject: subject, handle: m.Handle, label: m.Label, start: m.Start, signedIn: m.SignedIn, own: (*Timeouts)(m.Own)}
}

// recordLocked completes p by the record to store: under the key of a new ID, if p gives one, and
// else under the current key. It counts the write as a use of the session, except after StayIdle.
func (s *Session) recordLocked(p *pending) error {
	st := &s.state
	t := s.f.timeouts(st)
	used := p.now
	if s.staysIdle && s.phase == live && p.signIn == nil {
		used, p.idle = s.stored.meta.LastSeen(s.stored.expires), !s.f.inCookie
	}
	m := meta.Meta{
		Handle: st.handle, Start: st.start, SignedIn: st.signedIn, Seen: used, Idle: t.Idle, Own: (*meta.Timeouts)(st.own),
		Label: st.label, Codec: s.codec.Name(), Writes: s.stored.meta.Writes,
	}
	if !p.movesOnly() {
		m.Writes = m.Writes.With(p.number)
	}
	m.Sent = s.cookieSentLocked(t, p)
	expires := t.expires(st.start, used)
	if s.phase == live && !moves(t, s.stored.meta, s.stored.expires, expires, t.deadline(st.start)) {
		if !expires.Equal(s.stored.expires) { // else Lifetime cuts both expiries, and only Seen tells the use
			m.Seen = s.stored.meta.Seen
		}
		expires = s.stored.expires
	}
	p.record = &driver.Record{
		Key:     p.newKey(),
		Created: s.stored.created,
		Expires: expires,
		Subject: st.subject,
		Version: s.stored.version,
	}
	if p.step == touch {
		return nil // Touch stores the expiry only
	}
	data, err := values.Join(s.codec.Name(), st.values)
	if err == nil {
		err = s.checkSizeLocked(len(data))
	}
	if err != nil {
		return err
	}
	if !s.f.sealing.Seals() && !s.f.inCookie {
		m.Index = values.NewIndex(m.Codec, st.values, data)
	}
	p.meta, p.data = m, data
	s.f.encode(p)
	return nil
}

// checkSizeLocked returns an error if size, in bytes of encoded values, exceeds [Config].MaxSize.
// It accepts a session that is stored with as many bytes already.
func (s *Session) checkSizeLocked(size int) error {
	limit := s.f.cfg.MaxSize
	if limit < 0 || size <= limit || size <= s.stored.size {
		return nil
	}
	return fmt.Errorf("%w: its values have %s bytes, and Config.MaxSize is %s; %s", ErrTooLarge, values.Grouped(size), values.Grouped(limit), values.Largest(s.state.values))
}

// largest names the largest values, without their content.
func (s *Session) largest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return values.Largest(s.state.values)
}

// encode puts the data and the metadata of p into its record, and seals it.
func (f *Factory) encode(p *pending) {
	p.record.Data, p.record.Meta = p.data, p.meta.Encode()
	f.sealing.Seal(p.record)
}

// newKey returns the key under which p stores the session.
func (p *pending) newKey() string {
	if p.step == create || p.step == rename {
		return string(p.id.Key())
	}
	return p.oldKey
}
