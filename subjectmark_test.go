package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/subjectmark"
)

// A mark that can't be read keeps a user neither from signing in nor from ending all
// sessions, and a sign-in that has begun before that is stale.
func TestMarkThatCantBeRead(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	f := factory(t, quiet(session.Config{SweepInterval: -1}), store)
	now := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, store.Create(ctx, &driver.Record{
		Key: subjectmark.Key("ada"), Data: []byte("{}"), Meta: []byte("?"), Created: now, Expires: now.Add(time.Hour),
	}))
	s := signedIn(t, f, "ada")
	begun, err := f.BeginSignIn(ctx, "ada")
	require.NoError(t, err)
	require.NoError(t, f.DestroySubject(ctx, "ada"))
	_, err = f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrNotFound)

	stale := created(t, f)
	require.NoError(t, stale.SignIn(ctx, "ada", begun))
	require.ErrorIs(t, stale.Flush(ctx), session.ErrStaleSignIn)
	require.NotNil(t, signedIn(t, f, "ada"))
}

// endsNoSubject is a wrapper that says only when asked that its store can't end the sessions
// of a subject.
type endsNoSubject struct{ driver.Store }

func (endsNoSubject) DestroySubject(context.Context, string, ...string) error {
	return errors.ErrUnsupported
}

// The mark that a DestroySubject leaves which turns out not to be supported signs nobody out:
// it refuses a sign-in that has begun before, which can be tried again.
func TestMarkOfUnsupportedDestroySubject(t *testing.T) {
	ctx := t.Context()
	f := factory(t, quiet(session.Config{SweepInterval: -1}), endsNoSubject{bare{memory.New(memory.Options{})}})
	s := signedIn(t, f, "ada")
	begun, err := f.BeginSignIn(ctx, "ada")
	require.NoError(t, err)
	require.ErrorIs(t, f.DestroySubject(ctx, "ada"), errors.ErrUnsupported)
	require.ErrorIs(t, s.DestroyOthers(ctx), errors.ErrUnsupported)
	require.True(t, isAlive(t, f, s))

	late := f.NewSession()
	require.NoError(t, late.SignIn(ctx, "ada", begun))
	require.ErrorIs(t, late.Flush(ctx), session.ErrStaleSignIn)
	require.NoError(t, late.SignIn(ctx, "ada"))
	require.NoError(t, late.Flush(ctx))
	require.True(t, isAlive(t, f, late))
}
