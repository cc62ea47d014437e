package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func secret(fill byte) session.Secret { return bytes.Repeat([]byte{fill}, 32) }

// keep is a store that factories may share: they close it when the test is over.
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
	f := sealing(t, store, session.Config{Keys: []session.Secret{secret(1)}})
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
		"no secret":      {},
		"another secret": {Keys: []session.Secret{secret(2)}},
		"and unsealed":   {Keys: []session.Secret{secret(2)}, InsecureReadUnsealed: true},
	} {
		_, err := sealing(t, store, cfg).Retrieve(ctx, s.ID())
		require.ErrorIs(t, err, session.ErrSealed, name)
	}
}

// Whoever can write to the database can't give a session to somebody else, nor
// prolong it, nor put an old one's values into another.
func TestSealedDataIsBound(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	f := sealing(t, store, session.Config{Keys: []session.Secret{secret(1)}})
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
		"data":    func(r *driver.Record) { r.Data = adas.Data },
		"all":     func(r *driver.Record) { r.Data, r.Meta, r.Subject = adas.Data, adas.Meta, adas.Subject },
		"subject": func(r *driver.Record) { r.Subject = "ada" },
		"meta":    func(r *driver.Record) { r.Meta[3] ^= 1 },
		"a bit":   func(r *driver.Record) { r.Data[len(r.Data)-1] ^= 1 },
		"cut":     func(r *driver.Record) { r.Data = r.Data[:10] },
		"plain":   func(r *driver.Record) { r.Data = []byte(`{"admin":true}`) },
		"nothing": func(r *driver.Record) { r.Data = nil },
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

// A new secret in front signs nobody out; when all is sealed under it, the old one
// can go.
func TestReseal(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	plain := sealing(t, store, session.Config{})
	older := sealing(t, store, session.Config{Keys: []session.Secret{secret(1)}})
	changing := session.Config{Keys: []session.Secret{secret(2), secret(1)}}
	mixed := changing
	mixed.InsecureReadUnsealed = true
	var ids []session.ID
	for i, f := range []*session.Factory{plain, older, older, sealing(t, store, changing)} {
		s := created(t, f)
		require.NoError(t, s.Set("n", i))
		require.NoError(t, s.Flush(ctx))
		ids = append(ids, s.ID())
	}
	expires := map[session.ID]time.Time{}
	for i, id := range ids {
		s, err := sealing(t, store, mixed).Retrieve(ctx, id)
		require.NoError(t, err)
		expires[id] = s.Expires()
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
	require.ErrorContains(t, err, "Config.Keys")

	newer := sealing(t, store, session.Config{Keys: []session.Secret{secret(2)}})
	for _, id := range ids {
		s, err := newer.Retrieve(ctx, id)
		require.NoError(t, err)
		require.Equal(t, expires[id], s.Expires(), "nobody lives longer by it")
	}
}

func TestSecretsShowNothing(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(secret('x'))
	secrets, err := session.ParseSecrets(text + ",\n" + base64.RawURLEncoding.EncodeToString(secret(0xff)))
	require.NoError(t, err)
	require.Equal(t, []session.Secret{secret('x'), secret(0xff)}, secrets)
	cfg := session.Config{Keys: secrets}
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
		{Keys: []session.Secret{secret(1)[:16]}},
		{Keys: []session.Secret{nil}},
		{InsecureReadUnsealed: true},
	} {
		_, err := cfg.New(memory.New(memory.Options{}))
		require.Error(t, err)
		require.False(t, errors.Is(err, session.ErrCorrupt))
	}
}

func FuzzParseSecrets(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(secret(1)) + ", x")
	f.Fuzz(func(t *testing.T, text string) {
		secrets, err := session.ParseSecrets(text)
		if err == nil {
			require.NotEmpty(t, secrets)
		}
		for _, s := range secrets {
			require.Len(t, s, 32)
		}
	})
}
