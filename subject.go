package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
	"unicode/utf8"
)

const maxSubject = 255 // bytes; what databases index without asking

// SetSubject says whom the session belongs to: call it when somebody has signed
// in, or has proved again who he is. Lifetime begins anew, and the flush that
// stores it also changes the ID (OWASP ASVS 5.0, 7.2.4), so that an ID that
// somebody else has planted or seen before is worth nothing after. "" is nobody.
func (s *Session) SetSubject(subject string) error {
	if len(subject) > maxSubject || !utf8.ValidString(subject) || slices.Contains([]byte(subject), 0) {
		return fmt.Errorf("session: set subject: it must be UTF-8 of at most %d bytes without NUL", maxSubject)
	}
	now := millis(time.Now())
	return wrap("set subject", s.change(change{renames: true, apply: func(st *state) error {
		st.subject, st.start = subject, now
		return nil
	}}))
}

// Info is what a user is shown of one of his sessions.
type Info struct {
	// Key ends the session, with [Factory.Destroy]. It admits nobody, so it can
	// be part of a page. The session of the page itself is the one whose
	// [Session.Key] it is.
	Key Key

	// Created is when the session began.
	Created time.Time

	// LastSeen is when it was last used, give or take a twentieth of Idle.
	LastSeen time.Time

	// Expires is when it ends if it is not used again.
	Expires time.Time
}

// SubjectSessions returns the live sessions of a subject (OWASP ASVS 5.0, 7.5.2),
// in no particular order. An error ends the sequence. If the store can't find
// them, the error is [errors.ErrUnsupported].
func (f *Factory) SubjectSessions(ctx context.Context, subject string) iter.Seq2[Info, error] {
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
			if !yield(info, wrap("subject sessions", err)) || err != nil {
				return
			}
		}
	}
}

func (f *Factory) subjectKeys(ctx context.Context, subject string) iter.Seq2[Key, error] {
	const operation = "subject sessions"
	err := errNoSubject(subject)
	if err == nil && f.lister == nil {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return func(yield func(Key, error) bool) { yield("", wrap(operation, err)) }
	}
	return f.keys(ctx, operation, func(ctx context.Context) iter.Seq2[string, error] {
		return f.lister.SubjectSessions(ctx, subject)
	})
}

// info describes one session; ErrNotFound if it is not the subject's any more.
func (f *Factory) info(ctx context.Context, key Key, subject string) (Info, error) {
	stored, content, err := f.load(ctx, string(key))
	if err != nil {
		return Info{}, err
	}
	if content.subject != subject {
		return Info{}, ErrNotFound
	}
	return Info{
		Key:      key,
		Created:  stored.created,
		LastSeen: stored.meta.lastSeen(stored.expires),
		Expires:  stored.expires,
	}, nil
}

// DestroySubject ends all sessions of a subject but those of the keys in except:
// "log out everywhere", or "everywhere but here" (OWASP ASVS 5.0, 7.4.2 and
// 7.4.3). That there were none is no error. If the store can't find them, the
// error is [errors.ErrUnsupported]; if it can't end them in one step, they are
// ended one by one, and an error leaves those that are still to come.
func (f *Factory) DestroySubject(ctx context.Context, subject string, except ...Key) error {
	const operation = "destroy subject"
	if err := errNoSubject(subject); err != nil {
		return wrap(operation, err)
	}
	if f.destroyer != nil {
		keys := make([]string, len(except))
		for i, key := range except {
			keys[i] = string(key)
		}
		err := f.call(ctx, func(ctx context.Context) error {
			return f.destroyer.DestroySubject(ctx, subject, keys...)
		})
		if !errors.Is(err, errors.ErrUnsupported) {
			return wrap(operation, err)
		}
	}
	for {
		n, err := f.destroyOneByOne(ctx, subject, except)
		if err != nil || n == 0 {
			return err
		}
		// A session that was renamed meanwhile may have escaped: look again.
	}
}

func (f *Factory) destroyOneByOne(ctx context.Context, subject string, except []Key) (int, error) {
	n := 0
	for key, err := range f.subjectKeys(ctx, subject) {
		if err != nil {
			return n, err
		}
		if slices.Contains(except, key) {
			continue
		}
		err := f.Destroy(ctx, key)
		if err == nil {
			n++
		} else if !errors.Is(err, ErrNotFound) {
			return n, err
		}
	}
	return n, nil
}

// errNoSubject refuses the subject of all who have not signed in.
func errNoSubject(subject string) error {
	if subject == "" {
		return errors.New("the subject is empty, which is everybody who has not signed in")
	}
	return nil
}
