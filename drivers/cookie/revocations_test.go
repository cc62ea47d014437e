package cookie

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
)

// An ended session stays ended for as long as a copy of its cookie could be valid. Afterwards
// DeleteExpired deletes its revocation.
func TestRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		kept := newKept()
		s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: kept})
		r := record(36 * time.Hour)
		require.NoError(t, s.Create(ctx, r))
		copied := *r
		r.Expires = r.Expires.Add(time.Hour)
		require.NoError(t, s.Flush(ctx, r))
		require.NotEqual(t, copied.Key, r.Key)
		require.NoError(t, s.Destroy(ctx, r.Key))
		require.ErrorIs(t, s.Destroy(ctx, r.Key), driver.ErrNotFound)
		for range 60 {
			for _, tok := range []string{r.Key, copied.Key} {
				_, err := s.Retrieve(ctx, tok)
				require.ErrorIs(t, err, driver.ErrNotFound)
			}
			require.ErrorIs(t, s.Flush(ctx, &copied), driver.ErrNotFound)
			time.Sleep(time.Hour)
		}
		time.Sleep(400 * 24 * time.Hour)
		n, err := s.DeleteExpired(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, s.Close())
		_, err = kept.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve from the application's store of revocations, after Close")
		require.NoError(t, kept.Close())
	})
}

// An outage of the store of revocations is not mistaken for an ended session.
func TestOutageOfRevocations(t *testing.T) {
	kept := newKept()
	s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: kept})
	tok := newToken(t, s)
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, kept.Close())
	_, err := s.Retrieve(t.Context(), tok)
	require.Error(t, err)
	require.NotErrorIs(t, err, driver.ErrNotFound)
	require.Error(t, s.Ping(t.Context()))
	require.Error(t, s.Destroy(t.Context(), tok))
}

// Destroying a session by a token that is about to expire revokes its other tokens for their whole
// lifetime.
func TestRevocationOutlivesOtherTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: newKept()})
		r := record(10 * maxLifetime)
		require.NoError(t, s.Create(ctx, r))
		short := *r
		short.Expires = time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
		require.NoError(t, s.Flush(ctx, &short))
		require.NoError(t, s.Destroy(ctx, short.Key))
		for range 401 {
			_, err := s.Retrieve(ctx, r.Key)
			require.ErrorIs(t, err, driver.ErrNotFound)
			time.Sleep(24 * time.Hour)
		}
	})
}

// New refuses a store that can lose revocations or keeps records in cookies, even inside a wrapper.
func TestRefusedRevocations(t *testing.T) {
	pass := func(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) }
	lossy := memory.New(memory.Options{})
	inCookies := open(t, "a", Options{Secrets: []session.Secret{secret(1)}})
	safe := newKept()
	for _, refused := range []driver.Store{
		lossy, intercept.New(lossy, pass), wrapper{lossy}, wrapper{wrapper{lossy}},
		inCookies, intercept.New(inCookies, pass), wrapper{inCookies},
		migrate.New(safe, lossy), migrate.New(lossy, safe), migrate.Prepare(safe, wrapper{lossy}), wrapper{migrate.New(wrapper{lossy}, safe)},
		migrate.New(safe, inCookies), migrate.New(safe, migrate.New(safe, lossy)),
	} {
		_, err := New(Options{Secrets: []session.Secret{secret(1)}, Revocations: refused})
		require.ErrorContains(t, err, "cookie: revocations: ")
	}
	for _, accepted := range []driver.Store{safe, intercept.New(safe, pass), wrapper{safe}, migrate.New(safe, safe)} {
		_, err := New(Options{Secrets: []session.Secret{secret(1)}, Revocations: accepted})
		require.NoError(t, err)
	}
}

// wrapper wraps a store and has none of its optional interfaces.
type wrapper struct{ driver.Store }

func (w wrapper) Unwrap() driver.Store { return w.Store }

// Renamed follows ID changes from each earlier token of a session and from each inner key. Destroy
// accepts the last key of the chain.
func TestRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: newKept()})
		key1, key2, key3 := innerKey("first"), innerKey("second"), innerKey("third")
		tracker := s.(driver.RenameTracker)
		r := record(time.Minute)
		r.Key = key1
		require.NoError(t, s.Create(ctx, r))
		first := *r
		require.NoError(t, s.Flush(ctx, r))
		absent := func(key string) {
			t.Helper()
			_, err := tracker.Renamed(ctx, key)
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
		for _, key := range []string{key1, first.Key, r.Key, "unknown", first.Key[:90]} {
			absent(key)
		}

		second := *r
		second.Key, second.Expires = key2, second.Expires.Add(time.Hour)
		require.NoError(t, s.ChangeID(ctx, r.Key, &second))
		third := second
		third.Key = key3
		require.NoError(t, s.ChangeID(ctx, second.Key, &third))
		time.Sleep(5 * time.Minute) // the tokens of first have expired
		for key, want := range map[string]string{
			key1: key2, first.Key: key2, r.Key: key2, key2: key3, second.Key: key3,
		} {
			rename, err := tracker.Renamed(ctx, key)
			require.NoError(t, err)
			require.Equal(t, driver.Rename{To: want, Age: 5 * time.Minute}, rename)
		}
		absent(key3)
		absent(third.Key)

		require.ErrorIs(t, s.Destroy(ctx, second.Key), driver.ErrNotFound, "Destroy of a renamed token")
		require.ErrorIs(t, s.Destroy(ctx, key2), driver.ErrNotFound)
		_, err := s.Retrieve(ctx, third.Key)
		require.NoError(t, err)
		require.NoError(t, s.Destroy(ctx, key3))
		require.ErrorIs(t, s.Destroy(ctx, key3), driver.ErrNotFound)
		_, err = s.Retrieve(ctx, third.Key)
		require.ErrorIs(t, err, driver.ErrNotFound)
		absent(key3)
		_, err = tracker.Renamed(ctx, second.Key)
		require.NoError(t, err)

		time.Sleep(driver.MarkLifetime - 5*time.Minute)
		for _, key := range []string{key1, first.Key, key2, second.Key} {
			absent(key)
			require.ErrorIs(t, s.Destroy(ctx, key), driver.ErrNotFound)
		}
		require.NoError(t, s.Close())
		_, err = tracker.Renamed(ctx, key1)
		require.ErrorIs(t, err, driver.ErrClosed)
	})
}

// innerKey is as long as the keys of package session.
func innerKey(name string) string { return fmt.Sprintf("%-*s", keySize, name) }

// A store without revocations is no RenameTracker, and its Destroy does not accept inner keys.
func TestUnrevocableIsNoRenameTracker(t *testing.T) {
	s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}})
	_, tracks := s.(driver.RenameTracker)
	require.False(t, tracks)
	require.ErrorIs(t, s.Destroy(t.Context(), innerKey("k")), driver.ErrNotFound)
	_, tracks = open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: newKept()}).ForCookie("b").(driver.RenameTracker)
	require.True(t, tracks)
}

// A ChangeID whose answer was lost succeeds when it is repeated. Another ChangeID of the same token
// fails.
func TestChangeIDIsRepeatable(t *testing.T) {
	ctx := t.Context()
	lost := errors.New("connection reset")
	fail := false
	s := open(t, "a", Options{
		Secrets: []session.Secret{secret(1)},
		Revocations: intercept.New(newKept(), func(ctx context.Context, call string, do func(context.Context) error) error {
			err := do(ctx)
			if fail && call == "Create" {
				err = lost
			}
			return err
		}),
	})
	r := record(time.Hour)
	require.NoError(t, s.Create(ctx, r))
	renamed := *r
	renamed.Key = "renamed"
	fail = true
	require.ErrorIs(t, s.ChangeID(ctx, r.Key, &renamed), lost)
	fail = false
	require.Equal(t, "renamed", renamed.Key, "r.Key after a failed ChangeID")
	other := *r
	other.Key = "other"
	require.ErrorIs(t, s.ChangeID(ctx, r.Key, &other), driver.ErrNotFound)
	require.NoError(t, s.ChangeID(ctx, r.Key, &renamed))
	_, err := s.Retrieve(ctx, renamed.Key)
	require.NoError(t, err)
	_, err = s.Retrieve(ctx, r.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// Open closes the store of revocations if it refuses it.
func TestRefusedRevocationsAreClosed(t *testing.T) {
	shared, err := memory.Driver{}.Open(t.Name())
	require.NoError(t, err)
	_, err = Driver{}.Open(secretParam + "&revocations=memory:" + t.Name())
	require.ErrorContains(t, err, "may lose them")
	require.NoError(t, shared.Create(t.Context(), record(time.Hour)))
	require.NoError(t, shared.Close())
	shared, err = memory.Driver{}.Open(t.Name())
	require.NoError(t, err)
	_, err = shared.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve after the last store of the name was closed")
	require.NoError(t, shared.Close())
}

// pinged is a store whose Ping returns an error of the test.
type pinged struct {
	kept
	err error
}

func (p pinged) Ping(context.Context) error { return p.err }

// Ping returns the error of the store of revocations. If that can't ping, Ping reads from it.
func TestPingProvesRevocations(t *testing.T) {
	readOnly := errors.New("read-only")
	for _, pingErr := range []error{nil, readOnly, errors.ErrUnsupported} {
		store := pinged{newKept(), pingErr}
		s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: store})
		err := s.Ping(t.Context())
		require.Equal(t, pingErr == readOnly, err != nil, "Ping = %v; the store's is %v", err, pingErr)
		require.NoError(t, store.Close())
		require.Equal(t, pingErr != nil, s.Ping(t.Context()) != nil, "Ping after Close; the store's is %v", pingErr)
	}
}
