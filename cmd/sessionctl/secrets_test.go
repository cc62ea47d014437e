package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/internal/registry"
)

// Three secrets, and the numbers that name them in records of every version.
var (
	secret1 = bytes.Repeat([]byte{1}, 32)
	secret2 = bytes.Repeat([]byte{2}, 32)
	secret3 = bytes.Repeat([]byte{3}, 32)
)

const (
	number1 = "a8d0157c"
	number2 = "3275a34a"
	number3 = "3ae1e05c"
)

// configure sets SESSION_SECRETS to these secrets.
func configure(t *testing.T, secrets ...[]byte) {
	text := ""
	for _, secret := range secrets {
		text += base64.StdEncoding.EncodeToString(secret) + ","
	}
	t.Setenv("SESSION_SECRETS", text)
}

// sealing opens the backend as an application with these secrets does.
func (b backend) sealing(t *testing.T, secrets ...[]byte) *session.Factory {
	t.Helper()
	c := session.Config{InsecureReadUnsealed: len(secrets) > 0}
	for _, secret := range secrets {
		s, err := session.NewSecret(secret)
		require.NoError(t, err)
		c.Secrets = append(c.Secrets, s)
	}
	return b.open(t, c)
}

// withoutServers returns backends in files.
func withoutServers(t *testing.T) map[string]backend {
	dir := t.TempDir()
	return map[string]backend{
		"sqlite":  {"sqlite", "file:" + filepath.Join(dir, "s.db")},
		"migrate": {"migrate", "stage=move&new=sqlite:file:" + filepath.Join(dir, "new.db") + "&old=sqlite:file:" + filepath.Join(dir, "old.db")},
	}
}

func TestSealed(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	s := signIn(t, b.sealing(t, secret1), "ada")
	key := string(s.Key())
	require.Contains(t, b.fine(t, "show", key, "--values"), "sealed; set SESSION_SECRETS")
	require.Regexp(t, `(?m)\bada$`, b.fine(t, "list"), "the subject of a sealed session")

	configure(t, secret1)
	require.Contains(t, b.fine(t, "show", key, "--values"), `cart = ["apple"]`)

	configure(t, secret2)
	require.Contains(t, b.fine(t, "list"), key)
	require.Contains(t, b.fine(t, "list", "--json"), key)
	require.Equal(t, "1\n", b.fine(t, "count"))

	t.Setenv("SESSION_SECRETS", "short")
	require.Equal(t, exitUsage, b.run(t, "", "count").code)
}

// check counts sessions by the number of their secret.
func TestCheckSecrets(t *testing.T) {
	for name, b := range withoutServers(t) {
		t.Run(name, func(t *testing.T) {
			signIn(t, b.sealing(t), "ada")
			one, two := b.sealing(t, secret1), b.sealing(t, secret2, secret1)
			for range 2 {
				signIn(t, one, "ada")
			}
			for range 3 {
				signIn(t, two, "bob")
			}
			none := b.fine(t, "check")
			require.Equal(t, "can be read: 1\nsealed under secrets that are not in SESSION_SECRETS: 5\n"+
				"SECRET    STATE           SESSIONS\n"+
				number2+"  not configured         3\n"+
				number1+"  not configured         2\n"+
				"none      not sealed             1\n", none)

			configure(t, secret2, secret1)
			mixed := b.run(t, "", "check")
			require.Equal(t, "can be read: 5\nnot sealed, and rejected by applications that have secrets: 1\n"+
				"SECRET    STATE       SESSIONS\n"+
				number2+"  current            3\n"+
				number1+"  known              2\n"+
				"none      not sealed         1\n", mixed.out)
			require.Equal(t, exitCorrupt, mixed.code)
			require.Contains(t, mixed.err, "sessions that are not sealed: 1; applications that have secrets reject them")

			configure(t, secret3, secret1, secret1)
			missing := b.run(t, "", "check")
			require.Equal(t, "can be read: 2\nnot sealed, and rejected by applications that have secrets: 1\n"+
				"sealed under secrets that are not in SESSION_SECRETS: 3\n"+
				"SECRET    STATE           SESSIONS\n"+
				number3+"  current                0\n"+
				number1+"  known                  2\n"+
				number2+"  not configured         3\n"+
				"none      not sealed             1\n", missing.out)
			require.Equal(t, exitCorrupt, missing.code)
			require.Contains(t, missing.err, "sessions sealed under secrets that SESSION_SECRETS does not have: 3;")

			asJSON := b.run(t, "", "check", "--json")
			require.Equal(t, exitCorrupt, asJSON.code)
			require.JSONEq(t, `{"readable": 2, "sealed_without_secret": 3, "unreadable": [], "unsealed": 1, "secrets": [
				{"number": "`+number3+`", "state": "current", "sessions": 0},
				{"number": "`+number1+`", "state": "known", "sessions": 2},
				{"number": "`+number2+`", "state": "not configured", "sessions": 3}]}`, asJSON.out)

			configure(t, secret3, secret1, secret2)
			refused := b.run(t, "", "reseal")
			require.Equal(t, exitCorrupt, refused.code, "reseal without --unsealed while a session is not sealed")
			require.Contains(t, refused.err, "--unsealed seals those that are not sealed")
			require.Equal(t, "resealed: 5\n", refused.out)
			require.JSONEq(t, `{"resealed": 1}`, b.fine(t, "reseal", "--unsealed", "--json"))
			require.Equal(t, "resealed: 0\n", b.fine(t, "reseal"))
			configure(t, secret3, secret1)
			require.Equal(t, "can be read: 6\n"+
				"SECRET    STATE       SESSIONS\n"+
				number3+"  current            6\n"+
				number1+"  known              0\n"+
				"none      not sealed         0\n", b.fine(t, "check"))
		})
	}
}

// check reports sealed data that was tampered with, with and without --json.
func TestCheckFindsTampering(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	s := signIn(t, b.sealing(t, secret1), "ada")
	store, err := registry.Open(b.driver, b.dsn)
	require.NoError(t, err)
	defer store.Close()
	r, err := store.Retrieve(t.Context(), string(s.Key()))
	require.NoError(t, err)
	r.Data[len(r.Data)-1] ^= 1
	require.NoError(t, store.Flush(t.Context(), r))

	configure(t, secret1)
	got := b.run(t, "", "check")
	require.Equal(t, exitCorrupt, got.code)
	require.Contains(t, got.err, "sessions that can't be read: 1;")
	require.Regexp(t, `(?m)^`+string(s.Key())+`  .*changed or moved$`, got.out)
	require.Regexp(t, `(?m)^`+number1+`  current +1$`, got.out)

	var report struct {
		Readable   int
		Unreadable []struct{ Key, Error string }
		Secrets    []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(b.run(t, "", "check", "--json").out), &report))
	require.Zero(t, report.Readable)
	require.Len(t, report.Unreadable, 1)
	require.Equal(t, string(s.Key()), report.Unreadable[0].Key)
	require.Len(t, report.Secrets, 1)
}

// end --sealed-under needs no secret. It ends the sessions under one secret and no others.
func TestEndSealedUnder(t *testing.T) {
	for name, b := range withoutServers(t) {
		t.Run(name, func(t *testing.T) {
			one, two := b.sealing(t, secret1), b.sealing(t, secret2)
			lost := signIn(t, one, "ada")
			signIn(t, one, "bob")
			kept, plain := signIn(t, two, "ada"), signIn(t, b.sealing(t), "ada")

			require.Equal(t, "ended: 0\n", b.fine(t, "end", "--yes", "--sealed-under", number3))
			no := b.run(t, "n\n", "end", "--sealed-under", number1)
			require.Equal(t, exitFailed, no.code)
			require.Contains(t, no.err, "End all sessions that are sealed under "+number1+"? [y/N]")
			require.Contains(t, no.err, "no session was ended")
			require.Equal(t, "4\n", b.fine(t, "count"))

			configure(t, secret2, secret1)
			require.Contains(t, b.run(t, "", "end", "--sealed-under", number1).err, "The state of this secret is: known.")
			require.Contains(t, b.run(t, "", "end", "--sealed-under", number2).err, "The state of this secret is: current.")
			require.Contains(t, b.run(t, "", "end", "--sealed-under", number3).err, "The state of this secret is: not configured.")
			require.Equal(t, "4\n", b.fine(t, "count"))

			configure(t, secret2)
			yes := b.run(t, "y\n", "end", "-sealed-under", "A8D0157C")
			require.Zero(t, yes.code, yes.err)
			require.Equal(t, "ended: 2\n", yes.out)
			_, err := one.Retrieve(t.Context(), lost.ID())
			require.ErrorIs(t, err, session.ErrNotFound)
			_, err = two.Retrieve(t.Context(), kept.ID())
			require.NoError(t, err)
			_, err = two.Retrieve(t.Context(), plain.ID())
			require.NoError(t, err)
			require.Contains(t, b.run(t, "", "check").out, "can be read: 1\n")
		})
	}
}
