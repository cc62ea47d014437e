package session

import (
	"context"
	"errors"
	"fmt"
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
	now := millis(s.f.cfg.Now())
	return wrap("set subject", s.change(change{renames: true, signsIn: true, apply: func(st *state) error {
		st.subject, st.start = subject, now
		return nil
	}}))
}

// Authenticated returns when the user of the session has last proved who he is,
// which is when [Session.SetSubject] was called, or the zero time if nobody has
// signed in.
func (s *Session) Authenticated() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.subject == "" {
		return time.Time{}
	}
	return s.state.start
}

// RequireRecent returns an error that matches [ErrNotRecent] unless the user has
// proved who he is within the last age: call it before what changes a password, an
// address or another factor (OWASP ASVS 5.0, 7.5.1 and 7.5.3), have him prove it
// again, and call [Session.SetSubject] when he has.
func (s *Session) RequireRecent(age time.Duration) error {
	since := s.Authenticated()
	if since.IsZero() || s.f.cfg.Now().Sub(since) > age {
		return wrap("require recent", ErrNotRecent)
	}
	return nil
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
		f.watchers.wake(func(s *Session) bool { return s.Subject() == subject })
		if err == nil {
			f.tell(ctx, Event{Kind: EventEnded, Subject: subject, Reason: ReasonSubject})
		}
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
		err := f.destroy(ctx, Event{Kind: EventEnded, Key: key, Subject: subject, Reason: ReasonSubject})
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
