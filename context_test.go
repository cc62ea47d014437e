package session_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// logged returns the text that a function logs by slog.Default.
func logged(t *testing.T, do func()) string {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	do()
	return log.String()
}

// A missing Handler is logged, once for each line that calls FromContext.
func TestForgottenHandler(t *testing.T) {
	visit := func(w http.ResponseWriter, r *http.Request) {
		if _, err := session.FromContext(r.Context()); err != nil {
			return
		}
	}
	cart := func(w http.ResponseWriter, r *http.Request) {
		if _, err := session.FromContext(r.Context()); err != nil {
			return
		}
	}
	serve := func(h http.HandlerFunc) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, get())
		require.Equal(t, 200, w.Code)
	}
	session.ForgetPlaces() // the test may run again
	log := logged(t, func() { serve(visit); serve(visit) })
	require.Equal(t, 1, strings.Count(log, "\n"), log)
	require.Contains(t, log, "wrap the handler in Factory.Handler, or use NewContext")
	require.Contains(t, log, "level=ERROR")
	require.Contains(t, log, "TestForgottenHandler")
	require.Contains(t, log, "context_test.go")
	require.Equal(t, 1, strings.Count(logged(t, func() { serve(cart); serve(visit) }), "\n"))

	var own bytes.Buffer
	f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&own, nil))}, newProbe())
	other := factory(t, session.Config{}, newProbe())
	require.Empty(t, logged(t, func() {
		for range 2 { // in the handler of another factory
			exchanged(other, func(w http.ResponseWriter, r *http.Request) {
				_, err := f.FromContext(r.Context())
				require.Error(t, err)
			})
		}
	}))
	require.Equal(t, 1, strings.Count(own.String(), "wrap the handler in Factory.Handler"), own.String())

	s := created(t, f)
	require.Empty(t, logged(t, func() {
		serve(func(w http.ResponseWriter, r *http.Request) {
			_, err := session.FromContext(session.NewContext(r.Context(), s))
			require.NoError(t, err)
		})
		serve(f.Handler(http.HandlerFunc(visit)).ServeHTTP)
	}))
}

// A goroutine that outlives the request stores with Flush. If it calls FromContext first after the
// request, it gets an error.
func TestAfterTheRequest(t *testing.T) {
	f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
	id := created(t, f).ID()
	ctx, cancel := context.WithCancel(t.Context())
	var s *session.Session
	var untouched context.Context
	served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s = current(t, r) })), get().WithContext(ctx), id)
	served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { untouched = r.Context() })), get().WithContext(ctx), id)
	cancel()
	require.NoError(t, s.Set("late", 1))
	require.ErrorIs(t, s.SignIn(t.Context(), "ada"), session.ErrHeaderSent)
	require.NoError(t, s.Flush(t.Context()))
	stored, err := f.Retrieve(t.Context(), id)
	require.NoError(t, err)
	require.True(t, stored.Has("late"))

	none, err := session.FromContext(untouched)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, none)
}
