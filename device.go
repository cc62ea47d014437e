package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"gosession.dev/session/internal/move"
)

// Info describes a session to its user.
type Info struct {
	// Handle names the session for as long as it lives, whatever its ID. With its
	// subject it ends the session, see [Factory.Revoke], and can be part of a page.
	Handle string

	// Key ends the session, with [Factory.Destroy]. It admits nobody, so it can
	// be part of a page. The session of the page itself is the one whose
	// [Session.Key] it is.
	Key Key

	// Created is when the session began.
	Created time.Time

	// LastSeen is when it was last used, give or take a twentieth of Idle.
	LastSeen time.Time

	// Authenticated is when its user last signed in; zero if nobody has.
	Authenticated time.Time

	// Expires is when it ends if it is not used again.
	Expires time.Time

	// Label is what [Session.SetLabel] was given.
	Label string
}

const maxLabel = 200 // bytes

// SetLabel sets the text by which a user recognizes the session in a list: "Firefox on
// Linux". It is at most 200 bytes of UTF-8, is not sealed, and means nothing to
// this package.
func (s *Session) SetLabel(label string) error {
	if len(label) > maxLabel || !utf8.ValidString(label) {
		return fmt.Errorf("session: set label: it must be UTF-8 of at most %d bytes", maxLabel)
	}
	return wrap("set label", s.change(change{aside: true, apply: func(st *state) error {
		st.label = label
		return nil
	}}))
}

// SubjectSessions returns the live sessions of a subject (OWASP ASVS 5.0, 7.5.2),
// in no particular order. An error ends the sequence. If the store can't find
// them, the error is [errors.ErrUnsupported].
func (f *Factory) SubjectSessions(ctx context.Context, subject string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range f.subjectInfos(ctx, subject) {
			if !yield(info, wrap("subject sessions", err)) {
				return
			}
		}
	}
}

// subjectInfos is SubjectSessions, with errors as they are.
func (f *Factory) subjectInfos(ctx context.Context, subject string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for key, err := range f.subjectKeys(ctx, subject) {
			if err != nil {
				yield(Info{}, err)
				return
			}
			info, err := f.info(ctx, key, subject)
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
				continue
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

func (f *Factory) subjectKeys(ctx context.Context, subject string) iter.Seq2[Key, error] {
	err := errNoSubject(subject)
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

// info describes one session; ErrNotFound if it is not the subject's any more.
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
	return infoOf(key, stored, content), nil
}
