package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Authenticated returns when the user of the session has last signed in, see
// [Session.SignIn], or the zero time if the session is anonymous.
func (s *Session) Authenticated() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.signedIn
}

// RequireRecent returns an error that matches [ErrNotRecent] unless the user has
// signed in within the last age: call it before what changes a password, an address or
// another factor (OWASP ASVS 5.0, 7.5.1 and 7.5.3). If it fails, authenticate the user
// again, and call [Session.SignIn].
func (s *Session) RequireRecent(age time.Duration) error {
	s.mu.Lock()
	signedIn, start := !s.state.signedIn.IsZero(), s.state.start // the time of a seat may be later
	s.mu.Unlock()
	if !signedIn || s.f.cfg.Now().Sub(start) > age {
		return wrap("require recent", ErrNotRecent)
	}
	return nil
}

// DestroySubject ends all sessions of a subject, except the ones whose keys are given, or
// were theirs before an ID change of the last ten minutes: "log out everywhere", or
// "everywhere but here" (OWASP ASVS 5.0, 7.4.2 and 7.4.3). Sign-ins that have begun before
// and are not stored yet fail, with [ErrStaleSignIn]. If there are no sessions,
// DestroySubject returns nil. If the store can't find the sessions, the error matches
// [errors.ErrUnsupported]; if it can't end them in one step, they are ended one by one,
// and after an error the rest of them is still alive.
func (f *Factory) DestroySubject(ctx context.Context, subject string, except ...Key) error {
	return wrap("destroy subject", f.destroySubject(ctx, subject, except))
}

func (f *Factory) destroySubject(ctx context.Context, subject string, except []Key) error {
	if err := errNoSubject(subject); err != nil {
		return err
	}
	if !f.marksSubjects() {
		return errors.ErrUnsupported
	}
	if err := f.markSubject(ctx, subject); err != nil {
		return err
	}
	except, err := f.withRenamed(ctx, except)
	if err != nil {
		return err
	}
	err = f.destroyAtOnce(ctx, subject, except)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	// A listing may miss a session that is renamed meanwhile: it is over when two find
	// nothing more.
	ended := map[Key]bool{}
	for empty := 0; empty < 2; empty++ {
		before := len(ended)
		found, err := f.destroyOneByOne(ctx, subject, except, ended)
		if err != nil {
			return err
		}
		if found && len(ended) == before {
			return fmt.Errorf("%w: it lists sessions that have ended", ErrUnavailable)
		}
		if found {
			empty = -1
		}
	}
	return nil
}

// withRenamed adds to keys the ones that the same sessions have got since.
func (f *Factory) withRenamed(ctx context.Context, keys []Key) ([]Key, error) {
	all := slices.Clone(keys)
	for i := 0; i < len(all) && i < maxHops; i++ {
		rename, err := f.mark(ctx, string(all[i]))
		switch {
		case err == nil:
			all = append(all, Key(rename.To))
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return all, nil
}

// destroyAtOnce has the store end the sessions of a subject in one step, if it can.
func (f *Factory) destroyAtOnce(ctx context.Context, subject string, except []Key) error {
	if f.destroyer == nil {
		return errors.ErrUnsupported
	}
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
	return err
}

// destroyOneByOne ends the sessions that a listing has, adds them to ended, and reports
// whether it had any.
func (f *Factory) destroyOneByOne(ctx context.Context, subject string, except []Key, ended map[Key]bool) (found bool, err error) {
	for key, err := range f.subjectKeys(ctx, subject) {
		if err != nil {
			return found, err
		}
		if slices.Contains(except, key) {
			continue
		}
		found = true
		if err := f.endKey(ctx, key, subject, ReasonSubject); err != nil && !isGone(err) {
			return found, err
		}
		ended[key] = true
	}
	return found, ctx.Err()
}

// errNoSubject rejects the empty subject, which stands for anonymous sessions.
func errNoSubject(subject string) error {
	if subject == "" {
		return errors.New("the subject is empty, which stands for sessions in which nobody has signed in")
	}
	return nil
}
