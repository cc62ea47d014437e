package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// Every response after a change of the ID sets the cookie, whatever fails later. A change that
// needs a cookie is stored only as long as the cookie can be sent.

// tracked returns a factory with a store that keeps marks of changed IDs. The calls of the store
// can be counted and made to fail.
func tracked(t testing.TB, c session.Config) (*session.Factory, *sessiontest.Store) {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	c.SweepInterval = -1
	return factory(t, quiet(c), store), store
}

// sentCookies returns the session cookies that a response sets.
func sentCookies(h http.Header) []*http.Cookie {
	var cookies []*http.Cookie
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == "__Host-session" {
			cookies = append(cookies, c)
		}
	}
	return cookies
}

// served serves one request with a session cookie, or none if id is empty.
func served(h http.Handler, r *http.Request, id session.ID) *httptest.ResponseRecorder {
	if id.Reveal() != "" {
		r.Header.Add("Cookie", "__Host-session="+id.Reveal())
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get() *http.Request { return httptest.NewRequest("GET", "https://example.com/", nil) }

// recovering is a handler outside of Factory.Handler that recovers from a panic and answers.
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func TestCookieOfNewIDIsSent(t *testing.T) {
	signIn := func(t *testing.T, r *http.Request) {
		s := current(t, r)
		require.NoError(t, s.SignIn(r.Context(), "ada"))
		require.NoError(t, s.Flush(r.Context()))
	}
	fail := func(t *testing.T, store *sessiontest.Store, r *http.Request) {
		store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
		require.NoError(t, current(t, r).Set("n", 1))
	}
	for name, tt := range map[string]struct {
		onError func(http.ResponseWriter, *http.Request, error)
		handler func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request)
		code    int
	}{
		"the commit fails": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			fail(t, store, r)
		}, 503},
		"the error page replaces the header": {func(w http.ResponseWriter, r *http.Request, err error) {
			clear(w.Header())
			http.Error(w, "own page", http.StatusBadGateway)
		}, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			fail(t, store, r)
		}, 502},
		"the error page replaces the header and flushes": {func(w http.ResponseWriter, r *http.Request, err error) {
			clear(w.Header())
			_ = http.NewResponseController(w).Flush()
		}, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			fail(t, store, r)
		}, 200},
		"the error page is empty": {func(w http.ResponseWriter, r *http.Request, err error) {
			w.Header().Del("Set-Cookie")
		}, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			fail(t, store, r)
		}, 503},
		"panic": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			panic("oops")
		}, 500},
		"panic after the header was dropped": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			clear(w.Header())
			panic("oops")
		}, 500},
		"a deleted cookie": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			w.Header().Del("Set-Cookie")
		}, 200},
		"a replaced cookie": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			w.Header().Set("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(http.StatusAccepted)
			require.Len(t, w.Header().Values("Set-Cookie"), 3, "the handler's own cookies stay")
		}, 202},
		"a replaced Cache-Control": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			w.Header().Set("Cache-Control", "public, max-age=60")
		}, 200},
		"Flush, then more": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			signIn(t, r)
			require.NoError(t, http.NewResponseController(w).Flush())
			fmt.Fprint(w, "more")
			w.WriteHeader(http.StatusTeapot)
		}, 200},
		"TimeoutHandler inside cuts off": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				signIn(t, r)
				<-r.Context().Done()
			}), 50*time.Millisecond, "late").ServeHTTP(w, r)
		}, 503},
		"TimeoutHandler inside replaces the header": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				signIn(t, r)
				http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
				w.Header().Set("Cache-Control", "public")
			}), time.Minute, "late").ServeHTTP(w, r)
		}, 200},
		"panic in a TimeoutHandler inside": {nil, func(t *testing.T, store *sessiontest.Store, w http.ResponseWriter, r *http.Request) {
			http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				signIn(t, r)
				panic("oops")
			}), time.Minute, "late").ServeHTTP(w, r)
		}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, store := tracked(t, session.Config{OnError: tt.onError})
				old := created(t, f).ID()
				w := served(recovering(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					tt.handler(t, store, w, r)
				}))), get(), old)
				require.Equal(t, tt.code, w.Code)
				sent := w.Result().Header
				require.Len(t, sentCookies(sent), 1)
				require.Contains(t, strings.Join(sent.Values("Cache-Control"), ", "), "no-store")
				s, err := f.Retrieve(t.Context(), session.NewID(sentCookies(sent)[0].Value))
				require.NoError(t, err)
				require.Equal(t, "ada", s.Subject())
				require.NotEqual(t, old, s.ID())
			})
		})
	}
}

// Clients may ignore an informational response, so it must not be the first to set the cookie.
func TestInformationalHasNoCookie(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	srv := httptest.NewServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		require.NoError(t, current(t, r).Flush(r.Context()))
		w.WriteHeader(http.StatusEarlyHints)
	})))
	t.Cleanup(srv.Close)
	hints := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		hints++
		require.Empty(t, h.Values("Set-Cookie"))
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", srv.URL, nil)
	require.NoError(t, err)
	resp, err := srv.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, hints)
	require.Len(t, sentCookies(resp.Header), 1)
}

// A library that hijacks the connection and writes w.Header() sends the cookie.
func TestHijackByLibrary(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	upgrade := func(w http.ResponseWriter, header http.Header) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\n")
		require.NoError(t, header.Write(rw))
		fmt.Fprint(rw, "\r\n")
		require.NoError(t, rw.Flush())
	}
	srv := httptest.NewServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
		upgrade(w, w.Header())
	})))
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Len(t, sentCookies(resp.Header), 1)
	s, err := f.Retrieve(t.Context(), session.NewID(sentCookies(resp.Header)[0].Value))
	require.NoError(t, err)
	require.Equal(t, "ada", s.Subject())
}

// Only the goroutine of the handler changes the header of a response. Another goroutine that uses
// the session does not.
func TestHeaderBelongsToTheHandler(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	id := created(t, f).ID()
	for range 20 {
		w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := current(t, r)
			done := make(chan error)
			go func() { done <- s.ChangeID(r.Context()) }()
			for i := range 100 {
				w.Header().Set("X-Count", fmt.Sprint(i))
				w.Header().Add("Set-Cookie", fmt.Sprint("a=", i))
			}
			require.NoError(t, <-done)
		})), get(), id)
		require.Len(t, sentCookies(w.Result().Header), 1)
		require.Len(t, w.Result().Header.Values("Set-Cookie"), 101)
		id = session.NewID(sentCookies(w.Result().Header)[0].Value)
	}
}

// After an error page, or the page of a handler that has recovered, the session gets no ID, because
// the client could not learn it.
func TestNoNewIDAfterTheErrorPage(t *testing.T) {
	requireRefused := func(t *testing.T, s *session.Session) {
		t.Helper()
		id := s.ID()
		require.ErrorIs(t, s.ChangeID(context.Background()), session.ErrHeaderSent)
		require.ErrorIs(t, s.SignIn(context.Background(), "eve"), session.ErrHeaderSent)
		require.Equal(t, id, s.ID())
	}
	t.Run("error page", func(t *testing.T) {
		var inOnError func()
		f, store := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
			inOnError()
		}})
		w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := current(t, r)
			inOnError = func() { requireRefused(t, s) }
			require.NoError(t, s.Set("n", 1))
			store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, Times: 2})
			_, err := fmt.Fprint(w, "page")
			require.ErrorIs(t, err, session.ErrUnavailable)
			store.Heal()
			requireRefused(t, s)
		})), get(), created(t, f).ID())
		require.Equal(t, 503, w.Code)
	})
	t.Run("panic", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		var s *session.Session
		served(recovering(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s = current(t, r)
			panic("oops")
		}))), get(), created(t, f).ID())
		requireRefused(t, s)
	})
	t.Run("panic before FromContext", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		var ctx context.Context
		served(recovering(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx = r.Context()
			panic("oops")
		}))), get(), created(t, f).ID())
		s, err := session.FromContext(ctx)
		require.NoError(t, err)
		requireRefused(t, s)
	})
}

// If a session was destroyed and the commit of its successor fails, no cookie of it is sent.
func TestNoCookieOfAnEndedSession(t *testing.T) {
	f, store := tracked(t, session.Config{})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).ChangeID(r.Context()))
		require.NoError(t, current(t, r).Destroy(r.Context()))
		require.NoError(t, current(t, r).Set("flash", "bye"))
		store.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
	})), get(), created(t, f).ID())
	require.Equal(t, 503, w.Code)
	require.Empty(t, sentCookies(w.Result().Header))
}

// A cookie that has become persistent is sent, too, although a later write fails.
func TestPersistentCookieOnTheErrorPage(t *testing.T) {
	f, store := tracked(t, session.Config{})
	s := created(t, f)
	page := func(r *http.Request) *session.Session {
		mine := current(t, r)
		require.NoError(t, mine.Set("n", 1))
		store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
		return mine
	}
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SetTimeouts(session.Timeouts{Persistent: true}))
		require.NoError(t, current(t, r).Flush(r.Context()))
		page(r)
	})), get(), s.ID())
	require.Len(t, sentCookies(w.Result().Header), 1)
	require.NotZero(t, sentCookies(w.Result().Header)[0].MaxAge)

	store.Heal()
	s = created(t, f)
	w = served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, page(r).SetTimeouts(session.Timeouts{Persistent: true}))
	})), get(), s.ID())
	require.Equal(t, 503, w.Code)
	require.Empty(t, sentCookies(w.Result().Header), "it was not stored")
}

func TestOneCookiePerResponse(t *testing.T) {
	renew := func(t *testing.T, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		require.NoError(t, current(t, r).Flush(r.Context()))
		require.NoError(t, current(t, r).ChangeID(r.Context()))
	}
	destroy := func(t *testing.T, r *http.Request) { require.NoError(t, current(t, r).Destroy(r.Context())) }
	for name, tt := range map[string]struct {
		handler func(t *testing.T, r *http.Request)
		alive   bool
		subject string
	}{
		"ChangeID, Destroy": {func(t *testing.T, r *http.Request) {
			renew(t, r)
			destroy(t, r)
		}, false, ""},
		"ChangeID, Destroy, a new session": {func(t *testing.T, r *http.Request) {
			renew(t, r)
			destroy(t, r)
			require.True(t, current(t, r).IsNew())
			require.NoError(t, current(t, r).Set("flash", "bye"))
		}, true, ""},
		"Destroy, a new session, Destroy": {func(t *testing.T, r *http.Request) {
			destroy(t, r)
			renew(t, r)
			destroy(t, r)
		}, false, ""},
		"Destroy, SignIn": {func(t *testing.T, r *http.Request) {
			old := current(t, r)
			destroy(t, r)
			require.ErrorIs(t, old.SignIn(r.Context(), "ada"), session.ErrNotFound)
			require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
		}, true, "ada"},
		"Destroy, SignIn, ChangeID, ChangeID": {func(t *testing.T, r *http.Request) {
			destroy(t, r)
			require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
			require.NoError(t, current(t, r).Flush(r.Context()))
			renew(t, r)
			renew(t, r)
		}, true, "ada"},
		"Destroy, a new session, Destroy, another": {func(t *testing.T, r *http.Request) {
			destroy(t, r)
			renew(t, r)
			destroy(t, r)
			renew(t, r)
		}, true, ""},
	} {
		for from, known := range map[string]bool{"no session": false, "a session": true} {
			t.Run(name+" from "+from, func(t *testing.T) {
				f, _ := tracked(t, session.Config{})
				var id session.ID
				if known {
					id = created(t, f).ID()
				}
				w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tt.handler(t, r) })), get(), id)
				cookies := sentCookies(w.Result().Header)
				if !tt.alive && !known {
					require.Empty(t, cookies, "the client has no cookie to clear")
					return
				}
				require.Len(t, cookies, 1)
				if !tt.alive {
					require.Equal(t, -1, cookies[0].MaxAge)
					require.Empty(t, keysOf(t, f))
					return
				}
				s, err := f.Retrieve(t.Context(), session.NewID(cookies[0].Value))
				require.NoError(t, err)
				require.Equal(t, tt.subject, s.Subject())
				require.Equal(t, []session.Key{s.Key()}, keysOf(t, f), "the only live session")
			})
		}
	}
}

// keysOf returns the keys of all live sessions.
func keysOf(t *testing.T, f *session.Factory) []session.Key {
	t.Helper()
	var keys []session.Key
	for key, err := range f.Sessions(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// Two nested factories both set their cookies, even if the commit of one fails.
func TestNestedHandlersBringBothCookies(t *testing.T) {
	for _, failing := range []string{"none", "outer", "inner"} {
		t.Run(failing, func(t *testing.T) {
			outer, outerStore := tracked(t, session.Config{})
			inner, innerStore := tracked(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}})
			w := served(outer.Handler(inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a, err := outer.FromContext(r.Context())
				require.NoError(t, err)
				b, err := inner.FromContext(r.Context())
				require.NoError(t, err)
				for _, s := range []*session.Session{a, b} {
					require.NoError(t, s.Set("n", 1))
					require.NoError(t, s.Flush(r.Context()))
					require.NoError(t, s.Set("n", 2))
				}
				fault := sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage}
				if failing == "outer" {
					outerStore.Inject(fault)
				} else if failing == "inner" {
					innerStore.Inject(fault)
				}
			}))), get(), session.ID{})
			require.Equal(t, map[string]int{"none": 200, "outer": 503, "inner": 503}[failing], w.Code)
			var names []string
			for _, c := range w.Result().Cookies() {
				names = append(names, c.Name)
			}
			require.ElementsMatch(t, []string{"__Host-session", "__Host-b"}, names)
		})
	}
}

// unflushable has the methods Flush and Hijack but does not support them, like middleware around a
// ResponseWriter without them.
type unflushable struct{ http.ResponseWriter }

func (unflushable) FlushError() error { return http.ErrNotSupported }

func (unflushable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// After a Flush or Hijack that is not supported, the header can still change.
func TestUnsupportedFlushSendsNothing(t *testing.T) {
	outer, _ := tracked(t, session.Config{Cookie: session.Cookie{Name: "__Host-outer"}})
	for name, around := range map[string]func(http.Handler) http.Handler{
		"alone":  func(h http.Handler) http.Handler { return h },
		"nested": outer.Handler,
		"middleware": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unflushable{w}, r) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := tracked(t, session.Config{})
			rec := httptest.NewRecorder()
			around(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := current(t, r)
				require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
				_, _, err := http.NewResponseController(w).Hijack()
				require.ErrorIs(t, err, http.ErrNotSupported)
				w.(http.Flusher).Flush()
				require.NoError(t, s.Set("n", 1))
				require.NoError(t, s.Flush(r.Context()))
				require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
				require.NoError(t, s.SignIn(r.Context(), "ada"))
				w.WriteHeader(http.StatusAccepted)
			}))).ServeHTTP(struct{ http.ResponseWriter }{rec}, get())
			require.Equal(t, http.StatusAccepted, rec.Code)
			require.Len(t, sentCookies(rec.Result().Header), 1)
			s, err := f.Retrieve(t.Context(), session.NewID(sentCookies(rec.Result().Header)[0].Value))
			require.NoError(t, err)
			require.Equal(t, "ada", s.Subject())
		})
	}
}

// Goroutines of a handler ask for the session while its response begins. If a change is stored, the
// client has the cookie; otherwise the goroutine gets an error.
func TestNewSessionIsSentOrRefused(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context) error{
		"Set and Flush": func(ctx context.Context) error {
			s, err := session.FromContext(ctx)
			return errors.Join(err, s.Set("n", 1), s.Flush(ctx))
		},
		"SignIn and Flush": func(ctx context.Context) error {
			s, err := session.FromContext(ctx)
			return errors.Join(err, s.SignIn(ctx, "ada"), s.Flush(ctx))
		},
		"Destroy, then a new one": func(ctx context.Context) error {
			s, err := session.FromContext(ctx)
			if err := errors.Join(err, s.Destroy(ctx)); err != nil {
				return err
			}
			s, err = session.FromContext(ctx)
			return errors.Join(err, s.Set("n", 1), s.Flush(ctx))
		},
		"Destroy, then Set": func(ctx context.Context) error {
			s, err := session.FromContext(ctx)
			if err := errors.Join(err, s.Destroy(ctx)); err != nil {
				return err
			}
			s, err = session.FromContext(ctx)
			return errors.Join(err, s.Set("n", 1))
		},
		"Set": func(ctx context.Context) error {
			s, err := session.FromContext(ctx)
			return errors.Join(err, s.Set("n", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 400 {
				reported := 0
				f, _ := tracked(t, session.Config{OnError: func(_ http.ResponseWriter, _ *http.Request, err error) { reported++ }})
				var used error
				w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var wg sync.WaitGroup
					defer wg.Wait()
					wg.Go(func() {
						for range round % 20 {
							_ = f.Stats().Created // a little time passes
						}
						used = use(r.Context())
					})
					for range round % 17 {
						_ = f.Stats().Created
					}
					fmt.Fprint(w, "page")
				})), get(), session.ID{})
				stored := keysOf(t, f)
				var told []session.Key
				for _, c := range sentCookies(w.Result().Header) {
					if c.MaxAge >= 0 {
						told = append(told, session.NewID(c.Value).Key())
					}
				}
				require.Equal(t, stored, told, "round %d: %v", round, used)
				if len(stored) == 0 && reported == 0 {
					require.ErrorIs(t, used, session.ErrHeaderSent, "round %d", round)
				}
			}
		})
	}
}

// If a goroutine changes the ID while the header leaves, the client has the ID of the live session
// afterwards.
func TestChangedIDIsSentOrRefused(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	for round := range 1000 {
		s := created(t, f)
		id := s.ID()
		w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for range round % 23 {
					_ = f.Stats().Created
				}
				s, err := session.FromContext(r.Context())
				if err == nil {
					err = s.ChangeID(r.Context())
				}
				if err != nil && !errors.Is(err, session.ErrHeaderSent) {
					t.Error(err)
				}
			})
			for range round % 17 {
				_ = f.Stats().Created
			}
			fmt.Fprint(w, "page")
		})), get(), id)
		for _, c := range sentCookies(w.Result().Header) {
			id = session.NewID(c.Value)
		}
		_, err := f.Retrieve(t.Context(), id)
		require.NoError(t, err, "round %d", round)
	}
}

// panicking is a store that panics.
type panicking struct{ driver.Store }

func (panicking) Retrieve(context.Context, string) (*driver.Record, error) { panic("driver") }

// After a panic of the driver, later calls of FromContext return an error.
func TestDriverPanics(t *testing.T) {
	reported := 0
	f := factory(t, session.Config{OnError: func(http.ResponseWriter, *http.Request, error) { reported++ }}, panicking{memory.New(memory.Options{})})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.PanicsWithValue(t, "driver", func() { _, _ = session.FromContext(r.Context()) })
		s, err := session.FromContext(r.Context())
		require.Error(t, err)
		require.Nil(t, s)
	})), get(), session.NewID(strings.Repeat("x", 32)))
	require.Equal(t, 503, w.Code)
	require.Equal(t, 1, reported)
}

// No new ID is stored when the context of the request has ended.
func TestClientGone(t *testing.T) {
	do := func(t *testing.T, f *session.Factory, id session.ID, h func(r *http.Request, leave func())) *httptest.ResponseRecorder {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		return served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h(r, leave) })), get().WithContext(ctx), id)
	}
	t.Run("no session is created", func(t *testing.T) {
		f, store := tracked(t, session.Config{})
		do(t, f, session.ID{}, func(r *http.Request, leave func()) {
			require.NoError(t, current(t, r).Set("n", 1))
			leave()
		})
		require.Empty(t, store.TakeCalls())
	})
	t.Run("no ID is changed", func(t *testing.T) {
		f, store := tracked(t, session.Config{})
		id := created(t, f).ID()
		for name, renew := range map[string]func(r *http.Request, s *session.Session){
			"sign-in": func(r *http.Request, s *session.Session) {
				require.NoError(t, s.SignIn(context.WithoutCancel(r.Context()), "ada"))
			},
			"ID change": func(r *http.Request, s *session.Session) {
				require.ErrorIs(t, s.ChangeID(context.WithoutCancel(r.Context())), context.Canceled)
			},
		} {
			store.TakeCalls()
			do(t, f, id, func(r *http.Request, leave func()) {
				s := current(t, r)
				require.NoError(t, s.Set(name, 1))
				leave()
				renew(r, s)
			})
			require.Zero(t, store.TakeCalls()["ChangeID"])
			s, err := f.Retrieve(t.Context(), id)
			require.NoError(t, err)
			require.Empty(t, s.Subject())
			require.Equal(t, name == "ID change", s.Has(name), "the changes of a request are dropped with its sign-in")
		}
	})
	t.Run("no seat is taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, store := tracked(t, session.Config{MaxPerSubject: 2})
			store.Inject(sessiontest.Fault{Calls: []string{"SubjectSessions"}, Delay: 20 * time.Millisecond})
			do(t, f, created(t, f).ID(), func(r *http.Request, leave func()) {
				require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
				time.AfterFunc(5*time.Millisecond, leave) // while the sessions of the subject are counted
			})
			calls := store.TakeCalls()
			require.NotZero(t, calls["SubjectSessions"])
			require.Zero(t, calls["ChangeID"])
			require.Empty(t, subjectHandles(t, f, "ada"))
		})
	})
	t.Run("changes that keep the ID are stored", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		s := created(t, f)
		do(t, f, s.ID(), func(r *http.Request, leave func()) {
			require.NoError(t, current(t, r).Set("n", 1))
			leave()
		})
		require.True(t, same(t, f, s).Has("n"))
	})
}

// A deadline outside of Handler also ends the request's context, but the client still waits, and
// must not be told that it is signed in.
func TestDeadlineIsNotAClientGone(t *testing.T) {
	for name, change := range map[string]func(s *session.Session) error{
		"sign-in":       func(s *session.Session) error { return s.SignIn(context.Background(), "ada") },
		"a new session": func(s *session.Session) error { return s.Set("n", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := tracked(t, session.Config{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := current(t, r)
					time.Sleep(2 * time.Second)
					require.NoError(t, change(s))
					fmt.Fprint(w, "welcome")
				})), get().WithContext(ctx), session.ID{})
				require.Equal(t, 503, w.Code)
				require.NotContains(t, w.Body.String(), "welcome")
				require.Empty(t, sentCookies(w.Result().Header))
			})
		})
	}
}
