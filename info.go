package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/seal"
	"gosession.dev/session/internal/values"
)

// An Info describes a session without its values.
type Info struct {
	// Handle is the public name of the session, which stays when the ID changes. Pages may show
	// it. With the subject it ends the session, see [Factory.Revoke].
	Handle string

	// Subject is the ID of the user that the session belongs to, see [Session.SignIn], or "" if
	// the session is anonymous.
	Subject string

	// Label is the text that was set by [Session.SetLabel].
	Label string

	// Created is when the session began.
	Created time.Time

	// SignedInAt is when the user last signed in, or zero if the session is anonymous.
	SignedInAt time.Time

	// LastSeen is when the session was last used. It may be too early by up to a twentieth of
	// Idle.
	LastSeen time.Time

	// Expires is when the session ends if it is not used again.
	Expires time.Time

	// Timeouts are the timeouts that apply, from [Session.SetTimeouts] or else from the
	// [Config].
	Timeouts Timeouts

	// Size is the size of the encoded values in bytes, before they are sealed.
	Size int
}

// Info describes the session, including the changes of this request. LastSeen and Expires are
// as stored; for a new session they are as of now. After the session has ended, Info returns
// the zero Info.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasEndedLocked() {
		return Info{}
	}
	st := s.stored
	if s.phase != live {
		now, t := millis(s.f.cfg.Now()), s.f.timeouts(&s.state)
		st.expires, st.meta.Seen, st.meta.Idle = t.expires(s.state.start, now), now, t.Idle
	}
	data, _ := values.Join(s.codec.Name(), s.state.values) // a write returns the error
	info := s.f.infoOf(st, s.state, len(data))
	if s.phase == fresh {
		info.Handle = ""
	}
	return info
}

// SetLabel sets the text by which users recognize the session in a list of their devices, such
// as "Firefox on Linux": at most 200 bytes of UTF-8. The label is not sealed, and this package
// does not interpret it.
func (s *Session) SetLabel(label string) error {
	if len(label) > meta.MaxLabel || !utf8.ValidString(label) {
		return fmt.Errorf("session: set label: the label must be UTF-8 of at most %d bytes", meta.MaxLabel)
	}
	return wrap("set label", s.change(change{survivesSignIn: true, apply: func(st *state) error {
		st.label = label
		return nil
	}}))
}

// SubjectSessions yields the live sessions of a subject, in no particular order: "my devices"
// (OWASP ASVS 5.0, 7.5.2). The session of the request is the one with the Handle of
// [Session.Handle]. An error ends the sequence. If the store can't list the sessions of a
// subject, the error matches [errors.ErrUnsupported].
func (f *Factory) SubjectSessions(ctx context.Context, subject string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for one, err := range f.ofSubject(ctx, subject) {
			if !yield(one.Info, wrap("subject sessions", err)) {
				return
			}
		}
	}
}

// keyed is an Info with the current key of the session.
type keyed struct {
	Info
	key Key
}

// ofSubject yields the sessions of a subject with their keys. It skips records that can't be
// decoded, and does not wrap errors.
func (f *Factory) ofSubject(ctx context.Context, subject string) iter.Seq2[keyed, error] {
	return func(yield func(keyed, error) bool) {
		for key, err := range f.subjectKeys(ctx, subject) {
			if err != nil {
				yield(keyed{}, err)
				return
			}
			info, err := f.info(ctx, key, subject)
			if isGone(err) || errors.Is(err, ErrCorrupt) {
				continue
			}
			if !yield(keyed{info, key}, err) || err != nil {
				return
			}
		}
	}
}

func (f *Factory) subjectKeys(ctx context.Context, subject string) iter.Seq2[Key, error] {
	err := validSubject(subject)
	if err == nil && f.lister == nil {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return func(yield func(Key, error) bool) { yield("", err) }
	}
	return f.keys(ctx, func(ctx context.Context) iter.Seq2[string, error] {
		return f.lister.SubjectSessions(ctx, subject)
	})
}

// info describes the session under key. If the session now belongs to another subject, the error
// is ErrNotFound.
func (f *Factory) info(ctx context.Context, key Key, subject string) (Info, error) {
	rec, err := f.fetch(ctx, string(key))
	if err != nil {
		return Info{}, err
	}
	stored, content, err := f.describe(move.Thawed(rec))
	if err != nil {
		return Info{}, err
	}
	if content.subject != subject {
		return Info{}, ErrNotFound
	}
	return f.infoOf(stored, content, seal.PlainSize(rec.Data)), nil
}

// Inspect describes the session with a key to an operator, and returns its values as encoded by
// their codec, as a rule JSON. [Config].Codecs need not have that codec. If the session is
// sealed under a secret that [Config].Secrets does not have, the values are nil. Inspect does
// not count as a use of the session.
//
// If there is no such session, the error matches [ErrNotFound]; if the session can't be
// decoded, [ErrCorrupt]; if sessions are kept in cookies, [errors.ErrUnsupported].
func (f *Factory) Inspect(ctx context.Context, key Key) (Info, map[string][]byte, error) {
	info, encoded, err := f.inspect(ctx, key)
	return info, encoded, wrap("inspect", err)
}

func (f *Factory) inspect(ctx context.Context, key Key) (Info, map[string][]byte, error) {
	if f.inCookie {
		return Info{}, nil, errors.ErrUnsupported
	}
	if !key.isSession() {
		return Info{}, nil, ErrNotFound
	}
	rec, err := f.fetch(ctx, string(key))
	if err != nil {
		return Info{}, nil, err
	}
	rec = move.Thawed(rec)
	st, content, err := f.describe(rec)
	if err != nil {
		return Info{}, nil, f.countCorrupt(err)
	}
	info := f.infoOf(st, content, seal.PlainSize(rec.Data))
	list, err := f.inspectValues(rec, st.meta)
	switch {
	case errors.Is(err, ErrSealed):
		return info, nil, nil
	case err != nil:
		return Info{}, nil, f.countCorrupt(err)
	}
	encoded := map[string][]byte{}
	for _, v := range list {
		encoded[string(v.Name)] = v.Data
	}
	return info, encoded, nil
}

// inspectValues returns the encoded values of a record. The factory need not have their codec.
func (f *Factory) inspectValues(rec *driver.Record, m meta.Meta) (values.List, error) {
	if _, err := f.sealing.Open(rec); err != nil {
		return nil, err
	}
	return values.Split(m.Codec, rec.Data, m.Index)
}

// infoOf describes a session whose encoded values have the given size.
func (f *Factory) infoOf(st stored, content state, size int) Info {
	seen := st.meta.LastSeen(st.expires)
	if content.signedIn.After(seen) { // a sign-in counts as a use
		seen = content.signedIn
	}
	return Info{
		Handle:     content.handle.String(),
		Subject:    content.subject,
		Label:      content.label,
		Created:    st.created,
		SignedInAt: content.signedIn,
		LastSeen:   seen,
		Expires:    st.expires,
		Timeouts:   f.timeouts(&content),
		Size:       size,
	}
}
