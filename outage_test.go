package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// A sign-out during an outage fails, and the client keeps its cookie.
func TestSignOutFails(t *testing.T) {
	p := newProbe()
	f := factory(t, quiet(session.Config{}), p)
	id := created(t, f).ID().Reveal()
	outage := errors.New("connection refused")
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		p.fail(outage)
		require.ErrorIs(t, s.Destroy(r.Context()), outage)
		http.Error(w, "try again", http.StatusServiceUnavailable)
	}, id)
	require.Nil(t, cookieOf(w))
	require.Equal(t, "try again\n", w.Body.String())
}

// An outage is answered with 503, whatever the handler has written.
func TestOutageIs503(t *testing.T) {
	outage := errors.New("connection refused")
	p := newProbe()
	var log strings.Builder
	f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, p)
	id := created(t, f).ID().Reveal()
	page := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			return
		}
		require.NoError(t, s.Set("n", 1))
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Type", "image/png")
		w.Header().Set("ETag", `"x"`)
		w.WriteHeader(http.StatusCreated)
		_, err = fmt.Fprint(w, "the handler's body")
		require.ErrorIs(t, err, outage)
		_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader("the handler's body"))
		require.ErrorIs(t, err, outage)
		require.ErrorIs(t, http.NewResponseController(w).Flush(), outage)
		_, _, err = http.NewResponseController(w).Hijack()
		require.ErrorIs(t, err, outage)
	}
	for _, call := range []string{"Retrieve", "Flush"} {
		log.Reset()
		p.fail(outage, call)
		w := exchanged(f, page, id)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, call)
		require.Equal(t, "Service Unavailable\n", w.Body.String())
		require.Empty(t, w.Header().Get("Content-Length"))
		require.Empty(t, w.Header().Get("ETag"))
		require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Nil(t, cookieOf(w), "the client keeps its cookie")
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "one line: %s", log.String())
		require.Contains(t, log.String(), "connection refused")
		require.NotContains(t, log.String(), id)
	}
	p.fail(nil)
	require.Equal(t, http.StatusCreated, exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.True(t, current(t, r).Names() == nil || len(current(t, r).Names()) == 0)
		w.WriteHeader(http.StatusCreated)
	}, id).Code, "the user is signed in again when the store works")
}

func TestOnError(t *testing.T) {
	outage := errors.New("connection refused")
	for name, tt := range map[string]struct {
		fail     string
		onError  http.HandlerFunc
		handler  http.HandlerFunc
		wantCode int
		wantBody string
	}{
		"OnError answers": {"Flush",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418); fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }, 418, "own page"},
		"OnError writes nothing": {"Flush",
			func(w http.ResponseWriter, r *http.Request) {},
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }, 503, ""},
		"the handler answers": {"Retrieve",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418); fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) { http.Error(w, "handler's page", 500) }, 500, "handler's page\n"},
		"the handler returns": {"Retrieve",
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) {}, 200, "own page"},
		"the header has left": {"late",
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }, 200, "page"},
	} {
		t.Run(name, func(t *testing.T) {
			p, calls := newProbe(), 0
			f := factory(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				calls++
				require.ErrorIs(t, err, outage)
				tt.onError(w, r)
			}}, p)
			id := created(t, f).ID().Reveal()
			p.fail(outage, tt.fail)
			w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				s, err := session.FromContext(r.Context())
				_, again := session.FromContext(r.Context())
				require.Equal(t, err, again)
				if err == nil && tt.fail != "late" {
					require.NoError(t, s.Set("n", 1))
				}
				tt.handler(w, r)
				if tt.fail == "late" {
					p.fail(outage)
					require.NoError(t, s.Set("n", 1))
				}
			}, id)
			require.Equal(t, 1, calls, "once per request")
			require.Equal(t, tt.wantCode, w.Code)
			require.Equal(t, tt.wantBody, w.Body.String())
		})
	}
}

// The status tells whether a later request may succeed.
func TestOnErrorStatus(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{errors.New("connection refused"), 503},
		{fmt.Errorf("2 MiB: %w", driver.ErrTooLarge), 413},
	} {
		for name, onError := range map[string]func(http.ResponseWriter, *http.Request, error){
			"default": nil, "silent": func(http.ResponseWriter, *http.Request, error) {},
		} {
			p := newProbe()
			f := factory(t, quiet(session.Config{OnError: onError}), p)
			p.fail(tt.err, "Create")
			require.Equal(t, tt.want, exchanged(f, counter(t)).Code, name)
		}
	}
}

// A user whose session can't be decoded gets a new one, and the store keeps the record.
func TestCorruptSessionIsLeftBehind(t *testing.T) {
	var log strings.Builder
	p, onError := newProbe(), 0
	f := factory(t, session.Config{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		OnError: func(http.ResponseWriter, *http.Request, error) { onError++ },
	}, p)
	s := created(t, f)
	rec, err := p.Store.Retrieve(t.Context(), string(s.Key()))
	require.NoError(t, err)
	rec.Data = []byte("garbage-canary")
	require.NoError(t, p.Store.Flush(t.Context(), rec))
	p.take()

	read := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r); current(t, r) }, s.ID().Reveal())
	require.Equal(t, 200, read.Code)
	require.Nil(t, cookieOf(read))
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), string(s.Key()))
	require.NotContains(t, log.String(), s.ID().Reveal())
	require.NotContains(t, log.String(), "canary")

	w := exchanged(f, counter(t), s.ID().Reveal())
	require.NotNil(t, cookieOf(w))
	require.NotEqual(t, s.ID().Reveal(), cookieOf(w).Value)
	require.Zero(t, onError)
	require.Equal(t, map[string]int{"Retrieve": 2, "Create": 1}, p.take())
	left, err := p.Store.Retrieve(t.Context(), string(s.Key()))
	require.NoError(t, err)
	require.Equal(t, "garbage-canary", string(left.Data), "neither overwritten nor deleted")
}

// If the client goes away, the changes are stored: the commit does not end with the request.
func TestClientGoesAway(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Cookie", "__Host-session="+s.ID().Reveal())
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		cancel()
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, same(t, f, s).Has("n"))
}
