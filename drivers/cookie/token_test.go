package cookie

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// A token opens only unchanged, and only under its own name, site and secret.
func TestTokenIsBound(t *testing.T) {
	ctx := t.Context()
	o := Options{Secrets: []session.Secret{secret(1)}, Site: "shop"}
	s := open(t, "a", o)
	tok := newToken(t, s)
	r, err := s.Retrieve(ctx, tok)
	require.NoError(t, err)
	require.Equal(t, `{"a":"the-value"}`, string(r.Data))
	raw, err := base64.RawURLEncoding.DecodeString(tok)
	require.NoError(t, err)
	for _, plain := range []string{"the-value", "ada"} {
		require.NotContains(t, string(raw), plain)
	}
	require.NotEqual(t, tok, newToken(t, s), "two tokens of equal records")

	const number = 1 + 2*timeSize + 4 // the offset of the secret's number, after the header and a constant prefix
	for i := range 8 * len(raw) {
		changed, want := bytes.Clone(raw), driver.ErrNotFound
		changed[i/8] ^= 1 << (i % 8)
		if number <= i/8 && i/8 < number+4 {
			want = driver.ErrSealed
		}
		_, err := s.Retrieve(ctx, base64.RawURLEncoding.EncodeToString(changed))
		require.ErrorIs(t, err, want, "Retrieve with bit %d flipped", i)
	}
	for n := range tok {
		_, err := s.Retrieve(ctx, tok[:n])
		require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve of the first %d characters", n)
	}
	_, err = open(t, "b", o).Retrieve(ctx, tok)
	require.ErrorIs(t, err, driver.ErrNotFound, "another name")
	for name, other := range map[string]opened{
		"another site":   open(t, "a", Options{Secrets: o.Secrets, Site: "blog"}),
		"no site":        open(t, "a", Options{Secrets: o.Secrets}),
		"another secret": open(t, "a", Options{Secrets: []session.Secret{secret(2)}, Site: "shop"}),
	} {
		_, err := other.Retrieve(ctx, tok)
		require.ErrorIs(t, err, driver.ErrSealed, name)
	}
}

// Data that Config.Secrets sealed for a server store does not open as a cookie.
func TestPurposes(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	f, err := session.Config{Secrets: []session.Secret{secret(1)}}.New(store)
	require.NoError(t, err)
	defer f.Close()
	s, err := f.Create(ctx)
	require.NoError(t, err)
	rec, err := store.Retrieve(ctx, string(s.Key()))
	require.NoError(t, err)
	now := time.Now()
	for _, header := range [][]byte{newHeader(now, now.Add(time.Hour)), newHeader(now, now.Add(time.Hour))[1+timeSize:]} {
		_, err = open(t, "a", Options{Secrets: []session.Secret{secret(1)}}).
			Retrieve(ctx, base64.RawURLEncoding.EncodeToString(append(header, rec.Data...)))
		require.Error(t, err)
	}
}

// A secret can be rotated without signing out users.
func TestRotation(t *testing.T) {
	ctx := t.Context()
	older := open(t, "a", Options{Secrets: []session.Secret{secret(1)}})
	changing := open(t, "a", Options{Secrets: []session.Secret{secret(2), secret(1)}})
	newer := open(t, "a", Options{Secrets: []session.Secret{secret(2)}})
	tok := newToken(t, older)
	r, err := changing.Retrieve(ctx, tok)
	require.NoError(t, err, "Retrieve of a token under the second secret")
	_, err = newer.Retrieve(ctx, tok)
	require.ErrorIs(t, err, driver.ErrSealed)
	require.NoError(t, changing.Flush(ctx, r))
	_, err = newer.Retrieve(ctx, r.Key)
	require.NoError(t, err, "Retrieve of a token flushed under the first secret")
}

// A process that lacks a token's secret returns ErrSealed for an hour after the token was issued,
// and ErrNotFound afterwards. A forged time of issue does not extend the hour.
func TestUnknownSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		newer := open(t, "a", Options{Secrets: []session.Secret{secret(2), secret(1)}})
		older := open(t, "a", Options{Secrets: []session.Secret{secret(1)}, Revocations: newKept()})
		r := record(48 * time.Hour)
		require.NoError(t, newer.Create(ctx, r))
		short := record(time.Minute)
		require.NoError(t, newer.Create(ctx, short))
		for _, call := range calls(t, older, r) {
			require.ErrorIs(t, call(), driver.ErrSealed)
		}
		time.Sleep(2 * time.Minute)
		_, err := older.Retrieve(ctx, short.Key)
		require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve or Renamed of an expired token")
		_, err = older.(driver.RenameTracker).Renamed(ctx, short.Key)
		require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve or Renamed of an expired token")
		_, err = older.(driver.RenameTracker).Renamed(ctx, r.Key)
		require.ErrorIs(t, err, driver.ErrSealed)
		_, err = older.Retrieve(ctx, r.Key)
		require.ErrorIs(t, err, driver.ErrSealed)
		time.Sleep(rolloutTime - 2*time.Minute)
		for _, call := range calls(t, older, r) {
			require.ErrorIs(t, call(), driver.ErrNotFound)
		}
		_, err = newer.Retrieve(ctx, r.Key)
		require.NoError(t, err)

		raw, err := base64.RawURLEncoding.DecodeString(r.Key)
		require.NoError(t, err)
		for ahead, want := range map[time.Duration]error{clockSkew / 2: driver.ErrSealed, 2 * clockSkew: driver.ErrNotFound} {
			issued := time.Now().Add(ahead)
			forged := append(newHeader(issued, issued.Add(time.Hour)), raw[1+2*timeSize:]...)
			_, err := older.Retrieve(ctx, base64.RawURLEncoding.EncodeToString(forged))
			require.ErrorIs(t, err, want)
			_, err = newer.Retrieve(ctx, base64.RawURLEncoding.EncodeToString(forged))
			require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve of a token with a forged header, where the secret is known")
		}
	})
}

// calls returns calls of all methods that take a token.
func calls(t *testing.T, s driver.Store, r *driver.Record) []func() error {
	flushed, renamed := *r, *r
	renamed.Key = "another"
	return []func() error{
		func() error { _, err := s.Retrieve(t.Context(), r.Key); return err },
		func() error { return s.Flush(t.Context(), &flushed) },
		func() error { return s.ChangeID(t.Context(), r.Key, &renamed) },
		func() error { return s.Destroy(t.Context(), r.Key) },
	}
}

// token01 was issued by release 0.1 for the cookie "a" of the site "shop", under secret(1). It expires
// in the year 9999.
const token01 = "AADmcHpusAAAc2wB5FsNEY1Zu1dNaP2HGseWBZ_P2at7DQL02K4Zgj4Bq5shUGVopzq17Cw01_PK6oLgE9A0aVf9EIbWXPY4oMR_XE00eaQOAJByIH0agawAXQCo9NZD5D-wxmMxFht5IzA"

func TestTokenOfRelease01(t *testing.T) {
	ctx := t.Context()
	o := Options{Secrets: []session.Secret{secret(1)}, Site: "shop", Revocations: newKept()}
	s := open(t, "a", o)
	r, err := s.Retrieve(ctx, token01)
	require.NoError(t, err)
	require.Equal(t, `{"a":"of release 0.1"}`, string(r.Data))
	require.Equal(t, "ada", r.Subject)
	created, expires := r.Created, r.Expires
	require.Equal(t, 9999, expires.Year())
	require.NoError(t, s.Flush(ctx, r))
	require.NotEqual(t, token01, r.Key)
	r, err = s.Retrieve(ctx, r.Key)
	require.NoError(t, err)
	require.Equal(t, created, r.Created)
	require.Equal(t, expires, r.Expires)
	parsed, ok := parseToken(r.Key)
	require.True(t, ok)
	require.WithinDuration(t, time.Now(), parsed.issued, time.Minute)

	for name, other := range map[string]opened{
		"another name":   open(t, "b", o),
		"another secret": open(t, "a", Options{Secrets: []session.Secret{secret(2)}, Site: "shop"}),
	} {
		_, err := other.Retrieve(ctx, token01)
		require.ErrorIs(t, err, driver.ErrNotFound, name)
	}
	require.NoError(t, s.Destroy(ctx, token01))
	_, err = s.Retrieve(ctx, r.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
	revocation, err := o.Revocations.Retrieve(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, expires, revocation.Expires, "expiry of the revocation of a token of release 0.1")
}

// A token expires after maxLifetime, even if the session in it lasts longer.
func TestTokenLifetimeIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}})
		r := record(10 * maxLifetime)
		require.NoError(t, s.Create(t.Context(), r))
		time.Sleep(maxLifetime - time.Second)
		found, err := s.Retrieve(t.Context(), r.Key)
		require.NoError(t, err)
		require.Equal(t, r.Expires, found.Expires)
		time.Sleep(time.Second)
		_, err = s.Retrieve(t.Context(), r.Key)
		require.ErrorIs(t, err, driver.ErrNotFound)
		require.NoError(t, s.Create(t.Context(), record(time.Hour)))
	})
}

func FuzzToken(f *testing.F) {
	s := open(f, "a", Options{Secrets: []session.Secret{secret(1)}})
	f.Add(newToken(f, s))
	f.Add("")
	f.Fuzz(func(t *testing.T, tok string) {
		if r, err := s.Retrieve(t.Context(), tok); err == nil {
			require.Equal(t, `{"a":"the-value"}`, string(r.Data), "Data of a token that the fuzzer made")
		} else if !errors.Is(err, driver.ErrSealed) {
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
	})
}
