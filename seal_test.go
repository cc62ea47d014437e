package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func secret(fill byte) session.Secret {
	s, err := session.NewSecret(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		panic(err)
	}
	return s
}

// keep is a store that several factories may share: Close does nothing.
type keep struct{ driver.Store }

func (keep) Close() error { return nil }

func sealing(t *testing.T, store driver.Store, cfg session.Config) *session.Factory {
	t.Helper()
	f, err := cfg.New(keep{store})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestSealed(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	f := sealing(t, store, session.Config{Secrets: []session.Secret{secret(1)}})
	s := created(t, f)
	require.NoError(t, s.Set("plan", "the-plan"))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(ctx))
	require.NoError(t, s.ChangeID(ctx))

	rec, err := store.Retrieve(ctx, string(s.Key()))
	require.NoError(t, err)
	require.NotContains(t, string(rec.Data), "plan")
	again, err := f.Retrieve(ctx, s.ID())
	require.NoError(t, err)
	got, err := session.Get[string](again, "plan")
	require.NoError(t, err)
	require.Equal(t, "the-plan", got)

	for name, cfg := range map[string]session.Config{
		"no secret":                         {},
		"another secret":                    {Secrets: []session.Secret{secret(2)}},
		"another secret, unsealed accepted": {Secrets: []session.Secret{secret(2)}, InsecureReadUnsealed: true},
	} {
		_, err := sealing(t, store, cfg).Retrieve(ctx, s.ID())
		require.ErrorIs(t, err, session.ErrSealed, name)
	}
}

// An attacker who can write to the database can neither change the subject or the expiry of a sealed
// session, nor move its values to another session.
func TestSealedDataIsBound(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	f := sealing(t, store, session.Config{Secrets: []session.Secret{secret(1)}})
	signedIn := func(subject string) *session.Session {
		s := created(t, f)
		require.NoError(t, s.SignIn(t.Context(), subject))
		require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: time.Hour}))
		require.NoError(t, s.Flush(ctx))
		return s
	}
	ada, eve := signedIn("ada"), signedIn("eve")
	adas, err := store.Retrieve(ctx, string(ada.Key()))
	require.NoError(t, err)
	for name, tamper := range map[string]func(r *driver.Record){
		"data":                func(r *driver.Record) { r.Data = adas.Data },
		"data, meta, subject": func(r *driver.Record) { r.Data, r.Meta, r.Subject = adas.Data, adas.Meta, adas.Subject },
		"subject":             func(r *driver.Record) { r.Subject = "ada" },
		"meta":                func(r *driver.Record) { r.Meta[3] ^= 1 },
		"one bit":             func(r *driver.Record) { r.Data[len(r.Data)-1] ^= 1 },
		"truncated":           func(r *driver.Record) { r.Data = r.Data[:10] },
		"not sealed":          func(r *driver.Record) { r.Data = []byte(`{"admin":true}`) },
		"empty":               func(r *driver.Record) { r.Data = nil },
	} {
		rec, err := store.Retrieve(ctx, string(eve.Key()))
		require.NoError(t, err)
		untouched := *rec
		untouched.Data, untouched.Meta = bytes.Clone(rec.Data), bytes.Clone(rec.Meta)
		tamper(rec)
		require.NoError(t, store.Flush(ctx, rec))
		_, err = f.Retrieve(ctx, eve.ID())
		require.ErrorIs(t, err, session.ErrCorrupt, name)
		require.NotErrorIs(t, err, session.ErrNotFound, name)
		untouched.Version = rec.Version
		require.NoError(t, store.Flush(ctx, &untouched))
		_, err = f.Retrieve(ctx, eve.ID())
		require.NoError(t, err)
	}
}

// A new secret in front signs no user out. After Reseal, the old secret can be removed.
func TestReseal(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	plain := sealing(t, store, session.Config{})
	older := sealing(t, store, session.Config{Secrets: []session.Secret{secret(1)}})
	changing := session.Config{Secrets: []session.Secret{secret(2), secret(1)}}
	mixed := changing
	mixed.InsecureReadUnsealed = true
	var ids []session.ID
	for i, f := range []*session.Factory{plain, older, older, sealing(t, store, changing)} {
		s := created(t, f)
		require.NoError(t, s.Set("n", i))
		require.NoError(t, s.Flush(ctx))
		ids = append(ids, s.ID())
	}
	expires := map[session.Key]time.Time{}
	for i, id := range ids {
		s, err := sealing(t, store, mixed).Retrieve(ctx, id)
		require.NoError(t, err)
		expires[id.Key()] = s.Info().Expires
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		require.Equal(t, i, n)
	}

	n, err := sealing(t, store, changing).Reseal(ctx)
	require.ErrorIs(t, err, session.ErrCorrupt, "one is not sealed")
	require.Equal(t, 2, n)
	n, err = sealing(t, store, mixed).Reseal(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = sealing(t, store, mixed).Reseal(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = plain.Reseal(ctx)
	require.ErrorContains(t, err, "Config.Secrets")

	newer := sealing(t, store, session.Config{Secrets: []session.Secret{secret(2)}})
	for _, id := range ids {
		s, err := newer.Retrieve(ctx, id)
		require.NoError(t, err)
		require.Equal(t, expires[id.Key()], s.Info().Expires, "Reseal does not move the expiry")
	}
}

func TestSecretsShowNothing(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(secret('x').Reveal())
	secrets, err := session.ParseSecrets(text + ",\n" + base64.RawURLEncoding.EncodeToString(secret(0xff).Reveal()))
	require.NoError(t, err)
	require.Equal(t, []session.Secret{secret('x'), secret(0xff)}, secrets)
	cfg := session.Config{Secrets: secrets}
	for _, shown := range []string{
		fmt.Sprint(secrets), fmt.Sprintf("%v %+v %#v %s %x %q", cfg, cfg, cfg, secrets[0], secrets[0], secrets[0]),
	} {
		for _, part := range []string{text[:10], "xxxx", "7878", "120 120"} {
			require.NotContains(t, shown, part)
		}
	}
	b, err := json.Marshal(secrets)
	require.NoError(t, err)
	require.JSONEq(t, `["hidden","hidden"]`, string(b))

	for _, text := range []string{"", " ,\n", "short", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("*", 43)} {
		_, err := session.ParseSecrets(text)
		require.ErrorContains(t, err, "openssl rand -base64 32")
		if text != "" {
			require.NotContains(t, err.Error(), text)
		}
	}
	for _, cfg := range []session.Config{
		{Secrets: []session.Secret{{}}},
		{Secrets: []session.Secret{secret(1), {}}},
		{InsecureReadUnsealed: true},
	} {
		_, err := cfg.New(memory.New(memory.Options{}))
		require.Error(t, err)
		require.NotErrorIs(t, err, session.ErrCorrupt)
	}
}

func FuzzParseSecrets(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(secret(1).Reveal()) + ", x")
	f.Fuzz(func(t *testing.T, text string) {
		secrets, err := session.ParseSecrets(text)
		if err == nil {
			require.NotEmpty(t, secrets)
		}
		for _, s := range secrets {
			require.Len(t, s.Reveal(), 32)
		}
	})
}
