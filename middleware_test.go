package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// current is the session of a request, in a handler that expects one.
func current(t testing.TB, r *http.Request) *session.Session {
	t.Helper()
	s, err := session.FromContext(r.Context())
	require.NoError(t, err)
	return s
}

func quiet(c session.Config) session.Config {
	c.Logger = slog.New(slog.DiscardHandler)
	return c
}

// counter adds 1 and answers with the result.
func counter(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		fmt.Fprint(w, n)
	}
}

func TestCookie(t *testing.T) {
	w := exchanged(factory(t, session.Config{}, newProbe()), counter(t))
	line := w.Header().Get("Set-Cookie")
	require.Regexp(t, `^__Host-session=[A-Za-z0-9_-]{32}; Path=/; HttpOnly; Secure; SameSite=Lax$`, line)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "Cookie", w.Header().Get("Vary"))

	f := factory(t, session.Config{Insecure: true}, newProbe())
	require.Regexp(t, `^session=[A-Za-z0-9_-]{32}; Path=/; HttpOnly; SameSite=Lax$`, exchanged(f, counter(t)).Header().Get("Set-Cookie"))

	f = factory(t, session.Config{Cookie: session.Cookie{Name: "__Secure-app", Domain: "example.com", SameSite: http.SameSiteNoneMode, Partitioned: true, Path: "/app"}}, newProbe())
	require.Regexp(t, `^__Secure-app=.{32}; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=None; Partitioned$`, exchanged(f, counter(t)).Header().Get("Set-Cookie"))
}

// Promise 3, in calls of the store and in headers.
func TestRequestsCost(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	first := exchanged(f, counter(t))
	require.Equal(t, map[string]int{"Create": 1}, p.take())
	id := cookieOf(first).Value

	untouched := exchanged(f, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "static") }, id)
	require.Empty(t, p.take())
	require.Empty(t, untouched.Header().Values("Set-Cookie"))
	require.Empty(t, untouched.Header().Values("Vary"))
	require.Empty(t, untouched.Header().Values("Cache-Control"))

	read := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.Same(t, current(t, r), current(t, r))
		require.True(t, current(t, r).Has("n"))
	}, id)
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
	require.Nil(t, cookieOf(read))
	require.Equal(t, "Cookie", read.Header().Get("Vary"))
	require.Empty(t, read.Header().Values("Cache-Control"))

	written := exchanged(f, counter(t), id)
	require.Equal(t, map[string]int{"Retrieve": 1, "Flush": 1}, p.take())
	require.Nil(t, cookieOf(written), "the client has the cookie")
	require.Equal(t, "2", written.Body.String())

	visitor := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.True(t, s.IsNew())
		require.NoError(t, s.Set("a", 1))
		require.NoError(t, s.Delete("a"))
	})
	require.Empty(t, p.take(), "nothing is stored for a session without content")
	require.Nil(t, cookieOf(visitor))
}

func TestTouchSendsNoCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1, Timeouts: session.Timeouts{Persistent: true}}, p)
		first := exchanged(f, counter(t))
		require.Equal(t, 86400, cookieOf(first).MaxAge, "Max-Age is the absolute deadline")
		time.Sleep(10 * time.Minute)
		p.take()
		read := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r) }, cookieOf(first).Value)
		require.Equal(t, map[string]int{"Retrieve": 1, "Touch": 1}, p.take())
		require.Nil(t, cookieOf(read))
	})
}

func TestPersistentCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	first := exchanged(f, counter(t))
	require.Zero(t, cookieOf(first).MaxAge)
	remember := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SetTimeouts(session.Timeouts{Idle: 14 * day, Lifetime: 1000 * day, Persistent: true}))
	}, cookieOf(first).Value)
	c := cookieOf(remember)
	require.NotNil(t, c, "the persistence has changed")
	require.Equal(t, cookieOf(first).Value, c.Value)
	require.Equal(t, 400*86400, c.MaxAge, "browsers cut it to 400 days")
	require.Nil(t, cookieOf(exchanged(f, counter(t), c.Value)))
}

// Promise 5: no stranger's ID, and no cookie torn away.
func TestForeignCookies(t *testing.T) {
	unknown := strings.Repeat("x", 32)
	p := newProbe()
	f := factory(t, session.Config{}, p)
	read := func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).IsNew()) }

	require.Nil(t, cookieOf(exchanged(f, read, unknown)), "an unknown ID is left alone")
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
	w := exchanged(f, counter(t), unknown)
	require.NotEqual(t, unknown, cookieOf(w).Value, "and not adopted")
	p.take()

	for _, malformed := range []string{"", "x", unknown + "x", `"` + unknown + `"`, "a b", "a\"b", "\xff\x00", strings.Repeat("x", 100_000)} {
		w := exchanged(f, read, malformed)
		require.Empty(t, p.take(), "%.40q reaches the store", malformed)
		c := cookieOf(w)
		require.NotNil(t, c, "%.40q is not cleared", malformed)
		require.Equal(t, -1, c.MaxAge)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	require.Nil(t, cookieOf(exchanged(f, read, unknown, "malformed")), "the unknown one may be about to be replaced")
	require.Nil(t, cookieOf(exchanged(f, func(http.ResponseWriter, *http.Request) {}, "malformed")), "untouched")

	s := created(t, f)
	_, err := f.Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	require.NotNil(t, cookieOf(exchanged(f, read, string(s.Key()))), "a stored key is malformed")
}

// Promise 9: the first known cookie wins, of at most four.
func TestSeveralCookies(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	known := cookieOf(exchanged(f, counter(t))).Value
	other := func(c string) string { return strings.Repeat(c, 32) }
	for _, cookies := range [][]string{
		{known, other("a")},
		{other("a"), known},
		{other("a"), other("b"), other("c"), known},
		{"malformed", "", known, "x"},
		{other("a"), "malformed", known + "; other=1; x"},
	} {
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).Has("n")) }, cookies...)
		require.Nil(t, cookieOf(w))
	}
	p.take()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).IsNew()) },
		other("a"), other("b"), other("c"), other("d"), known)
	require.Equal(t, map[string]int{"Retrieve": 4}, p.take())
}

func TestFactoriesAreToldApart(t *testing.T) {
	a, b := factory(t, session.Config{}, newProbe()), factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	third := factory(t, session.Config{}, newProbe())
	h := a.Handler(b.Handler(a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inA, err := a.FromContext(r.Context())
		require.NoError(t, err)
		inB, err := b.FromContext(r.Context())
		require.NoError(t, err)
		require.Same(t, inB, current(t, r), "the innermost")
		require.NotSame(t, inA, inB)
		require.NoError(t, inA.Set("a", 1))
		require.NoError(t, inB.Set("b", 1))
		_, err = third.FromContext(r.Context())
		require.ErrorContains(t, err, "Factory.Handler")
	}))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Len(t, w.Result().Cookies(), 2)

	_, err := session.FromContext(t.Context())
	require.ErrorContains(t, err, "wrap the handler in Factory.Handler")
	s := created(t, a)
	ctx := session.NewContext(t.Context(), s)
	for _, from := range []func(context.Context) (*session.Session, error){session.FromContext, a.FromContext} {
		got, err := from(ctx)
		require.NoError(t, err)
		require.Same(t, s, got)
	}
	_, err = b.FromContext(ctx)
	require.Error(t, err)
}

// Promise 2: a late write of a request in flight is dropped, and is no error page.
func TestLateWriteIsDropped(t *testing.T) {
	for name, end := range map[string]func(*session.Factory, *session.Session) error{
		"destroyed": func(f *session.Factory, s *session.Session) error { return f.Destroy(context.Background(), s.Key()) },
		"renamed":   func(f *session.Factory, s *session.Session) error { return s.ChangeID(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			called := false
			f := factory(t, session.Config{OnError: func(http.ResponseWriter, *http.Request, error) { called = true }}, newProbe())
			s := created(t, f)
			id := string(s.ID())
			w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.NoError(t, mine.Set("late", 1))
				require.NoError(t, end(f, s))
				fmt.Fprint(w, "page")
			}, id)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "page", w.Body.String())
			require.Nil(t, cookieOf(w))
			require.False(t, called)
			_, err := f.Retrieve(t.Context(), session.ID(id))
			require.ErrorIs(t, err, session.ErrNotFound)

			s = created(t, f)
			exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.NoError(t, mine.Set("late", 1))
				require.NoError(t, end(f, s))
				require.ErrorIs(t, mine.Flush(r.Context()), session.ErrNotFound, "who asks is told")
				require.Same(t, mine, current(t, r), "and gets no new session either")
			}, string(s.ID()))
		})
	}
}

func TestSignOut(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	id := string(created(t, f).ID())
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Destroy(r.Context()))
	}, id)
	require.Equal(t, "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax", w.Header().Get("Set-Cookie"))
	_, err := f.Retrieve(t.Context(), session.ID(id))
	require.ErrorIs(t, err, session.ErrNotFound)

	id = string(created(t, f).ID())
	w = exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		old := current(t, r)
		require.NoError(t, old.Destroy(r.Context()))
		s := current(t, r)
		require.NotSame(t, old, s)
		require.NoError(t, s.Set("flash", "bye"))
	}, id)
	require.Len(t, w.Header().Values("Set-Cookie"), 1)
	require.NotEqual(t, id, cookieOf(w).Value)
	s, err := f.Retrieve(t.Context(), session.ID(cookieOf(w).Value))
	require.NoError(t, err)
	require.True(t, s.Has("flash"))
}

// Signing out during an outage fails, and leaves the client its cookie.
func TestSignOutFails(t *testing.T) {
	p := newProbe()
	f := factory(t, quiet(session.Config{}), p)
	id := string(created(t, f).ID())
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

func TestSignInChangesTheCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	before := cookieOf(exchanged(f, counter(t))).Value
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SetSubject("ada"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}, before)
	after := cookieOf(w).Value
	require.NotEqual(t, before, after)
	require.Equal(t, "2", exchanged(f, counter(t), after).Body.String())
	require.Equal(t, "1", exchanged(f, counter(t), before).Body.String(), "the old ID opens nothing")
}

// Promise 4: whatever makes the header leave, the cookie is in it, over a real
// connection.
func TestNoCookieLost(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	set := func(r *http.Request) { require.NoError(t, current(t, r).Set("n", 1)) }
	for name, h := range map[string]http.HandlerFunc{
		"return":       func(w http.ResponseWriter, r *http.Request) { set(r) },
		"Write":        func(w http.ResponseWriter, r *http.Request) { set(r); fmt.Fprint(w, "x") },
		"WriteString":  func(w http.ResponseWriter, r *http.Request) { set(r); io.WriteString(w, "x") },
		"WriteHeader":  func(w http.ResponseWriter, r *http.Request) { set(r); w.WriteHeader(201) },
		"redirect":     func(w http.ResponseWriter, r *http.Request) { set(r); http.Redirect(w, r, "/", http.StatusSeeOther) },
		"not modified": func(w http.ResponseWriter, r *http.Request) { set(r); w.WriteHeader(304) },
		"Flush":        func(w http.ResponseWriter, r *http.Request) { set(r); w.(http.Flusher).Flush() },
		"FlushError": func(w http.ResponseWriter, r *http.Request) {
			set(r)
			require.NoError(t, http.NewResponseController(w).Flush())
			fmt.Fprint(w, "x")
		},
		"ReadFrom": func(w http.ResponseWriter, r *http.Request) {
			set(r)
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			require.NoError(t, err)
		},
		"ServeContent": func(w http.ResponseWriter, r *http.Request) {
			set(r)
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("x"))
		},
		"Early Hints first": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			set(r)
			fmt.Fprint(w, "x")
		},
		"TimeoutHandler": func(w http.ResponseWriter, r *http.Request) {
			http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { set(r); fmt.Fprint(w, "x") }), time.Minute, "").ServeHTTP(w, r)
		},
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+"/"+proto, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(f.Handler(h))
				srv.EnableHTTP2 = proto == "HTTP/2.0"
				srv.StartTLS()
				t.Cleanup(srv.Close)
				c := browser(t, srv)
				c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				resp := c.get("/")
				require.Equal(t, proto, resp.Proto)
				require.Len(t, resp.Cookies(), 1)
				s, err := f.Retrieve(t.Context(), session.ID(resp.Cookies()[0].Value))
				require.NoError(t, err)
				require.True(t, s.Has("n"))
			})
		}
	}
}

func TestEarlyHintsArePassedOn(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	srv := serve(t, f, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		require.NoError(t, current(t, r).Set("n", 1))
	})
	hints := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		require.Equal(t, 103, code)
		require.Empty(t, h.Values("Set-Cookie"))
		hints++
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", srv.URL, nil)
	require.NoError(t, err)
	resp, err := srv.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, hints)
	require.Len(t, resp.Cookies(), 1)
}

func TestHijack(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	srv := httptest.NewServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		conn, rw, err := http.NewResponseController(w).Hijack()
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: %s\r\n\r\n", w.Header().Get("Set-Cookie"))
		require.NoError(t, rw.Flush())
		require.NoError(t, current(t, r).Set("later", 1), "the cookie is out, so it is stored")
		require.ErrorIs(t, current(t, r).SetSubject("ada"), session.ErrHeaderSent)
	})))
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Len(t, resp.Cookies(), 1)
	id := session.ID(resp.Cookies()[0].Value)
	require.Eventually(t, func() bool {
		s, err := f.Retrieve(t.Context(), id)
		return err == nil && s.Has("n") && s.Has("later")
	}, 5*time.Second, time.Millisecond)
}

// A value that is set after the header has left is stored if the client has the
// cookie, and an error if it has not.
func TestSetAfterTheHeader(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		require.ErrorIs(t, current(t, r).Set("n", 1), session.ErrHeaderSent)
		require.ErrorIs(t, session.Update(current(t, r), "n", func(n int) int { return 1 }), session.ErrHeaderSent)
		require.ErrorIs(t, current(t, r).SetSubject("ada"), session.ErrHeaderSent)
	})
	require.Nil(t, cookieOf(w))
	for range f.Sessions(t.Context()) {
		t.Fatal("a session that no client knows is stored")
	}

	s := created(t, f)
	id := s.ID()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		mine := current(t, r)
		require.NoError(t, mine.Set("late", 1))
		require.ErrorIs(t, mine.ChangeID(r.Context()), session.ErrHeaderSent)
		require.ErrorIs(t, mine.SetSubject("ada"), session.ErrHeaderSent)
	}, string(id))
	s, err := f.Retrieve(t.Context(), id)
	require.NoError(t, err)
	require.True(t, s.Has("late"))
	require.Empty(t, s.Subject())
}

func TestPanicStoresNothing(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := string(created(t, f).ID())
	p.take()
	require.PanicsWithValue(t, "oops", func() {
		exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			panic("oops")
		}, id)
	})
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
}

// Promise 6 in HTTP: an outage is 503, whatever the handler would have written.
func TestOutageIs503(t *testing.T) {
	outage := errors.New("connection refused")
	p := newProbe()
	var log strings.Builder
	f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, p)
	id := string(created(t, f).ID())
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
		require.True(t, current(t, r).Keys() == nil || len(current(t, r).Keys()) == 0)
		w.WriteHeader(http.StatusCreated)
	}, id).Code, "and is in again when the store is")
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
		"answers": {"Flush",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418); fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }, 418, "own page"},
		"only looks": {"Flush",
			func(w http.ResponseWriter, r *http.Request) {},
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }, 503, ""},
		"handler answers by itself": {"Retrieve",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418); fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) { http.Error(w, "handler's page", 500) }, 500, "handler's page\n"},
		"handler just returns": {"Retrieve",
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own page") },
			func(w http.ResponseWriter, r *http.Request) {}, 200, "own page"},
		"too late": {"late",
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
			id := string(created(t, f).ID())
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

func TestTooLargeIs500(t *testing.T) {
	p := newProbe()
	f := factory(t, quiet(session.Config{}), p)
	p.fail(fmt.Errorf("2 MiB: %w", driver.ErrTooLarge), "Create")
	require.Equal(t, http.StatusInternalServerError, exchanged(f, counter(t)).Code)
}

// Promise 8: the user of a session that can't be decoded is not locked out.
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

	read := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r); current(t, r) }, string(s.ID()))
	require.Equal(t, 200, read.Code)
	require.Nil(t, cookieOf(read))
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), string(s.Key()))
	require.NotContains(t, log.String(), string(s.ID()))
	require.NotContains(t, log.String(), "canary")

	w := exchanged(f, counter(t), string(s.ID()))
	require.NotNil(t, cookieOf(w))
	require.NotEqual(t, string(s.ID()), cookieOf(w).Value)
	require.Zero(t, onError)
	require.Equal(t, map[string]int{"Retrieve": 2, "Create": 1}, p.take())
	left, err := p.Store.Retrieve(t.Context(), string(s.Key()))
	require.NoError(t, err)
	require.Equal(t, "garbage-canary", string(left.Data), "neither overwritten nor deleted")
}

// A closed tab loses nothing: the commit does not end with the request.
func TestClientGoesAway(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Cookie", "__Host-session="+string(s.ID()))
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		cancel()
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, same(t, f, s).Has("n"))
}

// What a handler says of caching is merged, not overwritten.
func TestCachingHeaders(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	for given, want := range map[string][2]string{
		"":                     {"no-store", "Cookie"},
		"private, max-age=60":  {"private, max-age=60, no-store", "Accept, Cookie"},
		"No-Store":             {"No-Store", "cookie"},
		"no-cache , no-store ": {"no-cache , no-store ", "*"},
	} {
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			if given != "" {
				w.Header().Set("Cache-Control", given)
			}
			if vary, ok := strings.CutSuffix(want[1], ", Cookie"); ok {
				w.Header().Set("Vary", vary)
			} else if want[1] != "Cookie" {
				w.Header().Set("Vary", want[1])
			}
		})
		require.Equal(t, want[0], strings.Join(w.Header().Values("Cache-Control"), ", "))
		require.Equal(t, want[1], strings.Join(w.Header().Values("Vary"), ", "))
	}
}

// Frameworks call WriteHeader twice; net/http would name the wrapper in a warning.
func TestSecondWriteHeader(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	var log strings.Builder
	srv := httptest.NewUnstartedServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, http.NewResponseController(w).Flush())
		w.WriteHeader(http.StatusNotFound)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusEarlyHints)
	})))
	var mu sync.Mutex
	srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(lockedWriter{&mu, &log}, nil), slog.LevelError)
	srv.Start()
	resp, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	srv.Close()
	mu.Lock()
	defer mu.Unlock()
	require.Empty(t, log.String())
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// A ResponseWriter that can neither flush nor hijack says so, and the status that
// the handler then writes still counts.
func TestUnsupportedByTheWriter(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	rec := httptest.NewRecorder()
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		_, _, err := http.NewResponseController(w).Hijack()
		require.ErrorIs(t, err, http.ErrNotSupported)
		w.WriteHeader(http.StatusTeapot)
	})).ServeHTTP(struct{ http.ResponseWriter }{rec}, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusTeapot, rec.Code)
}

// The goroutines of a request read the store once.
func TestConcurrentFromContext(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := string(created(t, f).ID())
	p.take()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { require.NoError(t, current(t, r).Set(fmt.Sprint(i), i)) })
		}
		wg.Wait()
	}, id)
	require.Equal(t, map[string]int{"Retrieve": 1, "Flush": 1}, p.take())
}

func TestHintAtLoopback(t *testing.T) {
	var log strings.Builder
	f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
	for _, host := range []string{"127.0.0.1:8080", "localhost", "[::1]:80", "localhost:1"} {
		r := httptest.NewRequest("GET", "http://"+host+"/", nil)
		f.Handler(counter(t)).ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Equal(t, 1, strings.Count(log.String(), "Safari"))
	log.Reset()
	f = factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
	exchanged(f, counter(t))
	require.Empty(t, log.String())
}

// The primitives for servers that are not behind Handler.
func TestSetCookieByHand(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	w := httptest.NewRecorder()
	f.SetCookie(w, s)
	require.Equal(t, string(s.ID()), cookieOf(w).Value)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	lost := same(t, f, s)
	require.NoError(t, s.Destroy(ctx))
	require.Equal(t, -1, f.Cookie(s).MaxAge)
	require.NoError(t, lost.Set("n", 1))
	require.ErrorIs(t, lost.Flush(ctx), session.ErrNotFound)
	require.Nil(t, f.Cookie(lost))
}

// The ID is in Set-Cookie and nowhere else of a response (OWASP ASVS 5.0, 3.3.4).
func TestIDOnlyInSetCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(r.Context()))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, v := range []any{s.ID(), s, s.Key(), f, w, r.Context()} {
				fmt.Fprintf(w, verb, v)
			}
		}
	})
	id := cookieOf(w).Value
	require.NotContains(t, w.Body.String(), id)
	w.Header().Del("Set-Cookie")
	require.NotContains(t, fmt.Sprint(w.Header()), id)
}
