package session_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// unlisted returns a store that ends the sessions of a subject in one step, and can't list them.
func unlisted(s driver.Store) driver.Store {
	return struct {
		driver.Store
		driver.SubjectDestroyer
		driver.RenameTracker
	}{s, s.(driver.SubjectDestroyer), s.(driver.RenameTracker)}
}

func TestDestroyOthers(t *testing.T) {
	ctx := t.Context()
	for name, hide := range map[string]func(driver.Store) driver.Store{
		"with both":  func(s driver.Store) driver.Store { return s },
		"one by one": func(s driver.Store) driver.Store { return onlyLists{s} },
		"at once":    unlisted,
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, quiet(session.Config{SweepInterval: -1}), hide(memory.New(memory.Options{})))
			here, there, other, visitor := signedIn(t, f, "ada"), signedIn(t, f, "ada"), signedIn(t, f, "bob"), created(t, f)
			late := created(t, f)
			require.NoError(t, late.SignIn(ctx, "ada"))
			require.NoError(t, here.Set("n", 1))
			require.NoError(t, here.DestroyOthers(ctx))
			require.NoError(t, here.DestroyOthers(ctx), "there is no other session any more")
			requireGone(t, f, there)
			require.ErrorIs(t, late.Flush(ctx), session.ErrStaleSignIn)
			same(t, f, other)
			same(t, f, visitor)
			require.False(t, same(t, f, here).Has("n"), "DestroyOthers does not store pending changes")

			require.NoError(t, here.SignIn(ctx, "ada"))
			require.NoError(t, here.Flush(ctx), "the sign-in begins after the ending")
			require.Equal(t, 1, got[int](t, same(t, f, here), "n"))

			again := same(t, f, here)
			require.NoError(t, here.Destroy(ctx))
			require.ErrorIs(t, here.DestroyOthers(ctx), session.ErrNotFound)
			require.ErrorIs(t, again.ChangeID(ctx), session.ErrNotFound)
			require.ErrorIs(t, again.DestroyOthers(ctx), session.ErrNotFound)
			for _, anonymous := range []*session.Session{visitor, f.NewSession()} {
				require.EqualError(t, anonymous.DestroyOthers(ctx), "session: destroy others: the session is anonymous, so there are no other sessions of its subject; call SignIn first")
			}
			same(t, f, visitor)
		})
	}
	s := signedIn(t, factory(t, session.Config{SweepInterval: -1}, bare{memory.New(memory.Options{})}), "ada")
	require.ErrorIs(t, s.DestroyOthers(ctx), errors.ErrUnsupported)
}

// DestroyOthers of a revoked session ends no other session. A handler that runs long may not have
// noticed the end.
func TestDestroyOthersAfterRevoke(t *testing.T) {
	ctx := t.Context()
	for name, renamed := range map[string]bool{"under its ID": false, "under another": true} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{SweepInterval: -1}, memory.New(memory.Options{}))
			stolen, owner := signedIn(t, f, "ada"), signedIn(t, f, "ada")
			if renamed {
				require.NoError(t, same(t, f, stolen).ChangeID(ctx))
			}
			require.NoError(t, f.Revoke(ctx, "ada", stolen.Handle()))
			require.ErrorIs(t, stolen.DestroyOthers(ctx), session.ErrNotFound)
			same(t, f, owner)
		})
	}
}

// Without marks, this process does not know that another one has changed the ID. The session stays
// then, and the others end.
func TestDestroyOthersAfterUnknownRename(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f, elsewhere := factory(t, session.Config{SweepInterval: -1}, p), factory(t, session.Config{SweepInterval: -1}, unclosed{p})
	here, there := signedIn(t, f, "ada"), signedIn(t, f, "ada")
	renamed := same(t, elsewhere, here)
	require.NoError(t, renamed.ChangeID(ctx))
	require.NoError(t, here.DestroyOthers(ctx))
	same(t, f, renamed)
	requireGone(t, f, there)
}

// DestroyOthers stores a pending sign-in before it ends the others.
func TestDestroyOthersAfterSignIn(t *testing.T) {
	ctx := t.Context()
	for name, start := range map[string]func(t *testing.T, f *session.Factory) *session.Session{
		"new":          func(t *testing.T, f *session.Factory) *session.Session { return f.NewSession() },
		"anonymous":    func(t *testing.T, f *session.Factory) *session.Session { return created(t, f) },
		"same user":    func(t *testing.T, f *session.Factory) *session.Session { return signedIn(t, f, "ada") },
		"another user": func(t *testing.T, f *session.Factory) *session.Session { return signedIn(t, f, "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
			other, bystander := signedIn(t, f, "ada"), signedIn(t, f, "bob")
			s := start(t, f)
			old := s.Key()
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.NoError(t, s.DestroyOthers(ctx))
			require.NotEqual(t, old, s.Key())
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, []string{s.Handle()}, ofSubject(t, f, "ada"))
			requireGone(t, f, other)
			same(t, f, bystander)
		})
	}
}

// hooked is a store that calls a hook before each step of a listing and before Destroy.
type hooked struct {
	onlyLists
	hook func()
}

func (s *hooked) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.onlyLists.SubjectSessions(ctx, subject) {
			s.hook()
			if !yield(key, err) {
				return
			}
		}
	}
}

func (s *hooked) Destroy(ctx context.Context, key string) error {
	s.hook()
	return s.Store.Destroy(ctx, key)
}

// If other requests change IDs between a listing and an ending, the session stays, and the others
// end all the same.
func TestDestroyOthersMeetsIDChanges(t *testing.T) {
	ctx := t.Context()
	store := &hooked{onlyLists{memory.New(memory.Options{})}, func() {}}
	f := factory(t, session.Config{SweepInterval: -1}, store)
	s, other := signedIn(t, f, "ada"), signedIn(t, f, "ada")
	this, inside := same(t, f, s), false
	times := 5
	store.hook = func() {
		if inside || times == 0 {
			return
		}
		inside = true
		defer func() { inside = false }()
		times--
		require.NoError(t, s.ChangeID(ctx))
		if err := other.ChangeID(ctx); err != nil {
			require.ErrorIs(t, err, session.ErrNotFound)
		}
	}
	require.NoError(t, this.DestroyOthers(ctx))
	require.Zero(t, times)
	require.Equal(t, []string{s.Handle()}, ofSubject(t, f, "ada"))
	same(t, f, s)
	requireGone(t, f, other)
}
