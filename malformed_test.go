package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// malformed returns texts that are neither an ID, nor a key, nor a handle.
func malformed(good string) []string {
	return []string{
		"", " ", "x", "../../x", "..\\..\\x", "/etc/passwd", "a\r\nflush_all\r\n", "\r\n" + good, good + "\r\n", good + "\n", " " + good, good + " ", "\u2000" + good,
		good + "=", good + "==", good[1:], good + "x", good[1:] + "=", good[1:] + "é", good[1:] + "\x00", "\x00" + good[1:], good[1:] + "\xff", good[2:] + "\xc3\xa9",
		good[1:] + "*", good[1:] + "%", "%", good[1:] + "'", "' OR 1=1 --", good[1:] + "+", good[1:] + "/", strings.Repeat(good, 2), "subject-" + good,
		strings.Repeat("x", 1<<20), strings.Repeat("x", 43+1), strings.Repeat("é", 43), "{\"$ne\": null}",
	}
}

// A malformed ID, key or handle is not found, and never reaches the store.
func TestMalformedNeverReachesTheStore(t *testing.T) {
	ctx := t.Context()
	f, store := tracked(t, session.Config{})
	s := signedIn(t, f, "ada")
	store.TakeCalls()
	for entry, of := range map[string]struct {
		good string
		call func(text string) error
	}{
		"Destroy":  {string(s.Key()), func(text string) error { return f.Destroy(ctx, session.Key(text)) }},
		"Inspect":  {string(s.Key()), func(text string) error { _, _, err := f.Inspect(ctx, session.Key(text)); return err }},
		"Revoke":   {s.Handle(), func(text string) error { return f.Revoke(ctx, "ada", text) }},
		"Retrieve": {s.ID().Reveal(), func(text string) error { _, err := f.Retrieve(ctx, session.NewID(text)); return err }},
		"Forget": {s.ID().Reveal(), func(text string) error {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = []string{"__Host-session=" + text + "~"} // white space around a value is not a part of it
			return errors.Join(f.Forget(httptest.NewRecorder(), r), session.ErrNotFound)
		}},
		"FromContext": {s.ID().Reveal(), func(text string) error {
			h := f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).IsNew()) }))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = []string{"__Host-session=" + text + "~"}
			h.ServeHTTP(httptest.NewRecorder(), r)
			return session.ErrNotFound
		}},
	} {
		t.Run(entry, func(t *testing.T) {
			for _, text := range malformed(of.good) {
				require.ErrorIs(t, of.call(text), session.ErrNotFound, "%.60q", text)
				require.Empty(t, store.TakeCalls(), "%.60q", text)
			}
		})
	}
	same(t, f, s)
}

// A malformed subject has no sessions.
func TestMalformedSubjects(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	p.take()
	for _, subject := range []string{"", "a\x00b", "a\xff", strings.Repeat("x", 1<<20)} {
		require.Error(t, f.DestroySubject(ctx, subject))
		require.Error(t, f.Revoke(ctx, subject, s.Handle()))
		_, err := f.BeginSignIn(ctx, subject)
		require.Error(t, err)
		for _, err := range f.SubjectSessions(ctx, subject) {
			require.Error(t, err)
		}
		require.Empty(t, p.take(), "%.60q", subject)
	}
}
