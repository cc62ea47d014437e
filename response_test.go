package session_test

import (
	"bufio"
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
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// Over a real connection, the header has the cookie, whatever makes it leave.
func TestNoCookieLost(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	set := func(r *http.Request) { require.NoError(t, current(t, r).Set("n", 1)) }
	for name, h := range map[string]http.HandlerFunc{
		"return":       func(w http.ResponseWriter, r *http.Request) { set(r) },
		"Write":        func(w http.ResponseWriter, r *http.Request) { set(r); fmt.Fprint(w, "x") },
		"WriteString":  func(w http.ResponseWriter, r *http.Request) { set(r); io.WriteString(w, "x") },
		"WriteHeader":  func(w http.ResponseWriter, r *http.Request) { set(r); w.WriteHeader(201) },
		"redirect":     func(w http.ResponseWriter, r *http.Request) { set(r); http.Redirect(w, r, "/", http.StatusSeeOther) },
		"no content":   func(w http.ResponseWriter, r *http.Request) { set(r); w.WriteHeader(204) },
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
				s, err := f.Retrieve(t.Context(), session.NewID(resp.Cookies()[0].Value))
				require.NoError(t, err)
				require.True(t, s.Has("n"))
			})
		}
	}
}

func TestEarlyHintsArePassedOn(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nothing" {
			return
		}
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		require.NoError(t, current(t, r).Set("n", 1))
	}, func(t *testing.T, p *peer) {
		hints := 0
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			require.Equal(t, 103, code)
			require.Empty(t, h.Values("Set-Cookie"))
			hints++
			return nil
		}}
		resp, err := p.begin(httptrace.WithClientTrace(t.Context(), trace), "GET", "/", session.ID{})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, hints)
		require.Len(t, resp.Cookies(), 1)
	})
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
		require.NoError(t, current(t, r).Set("later", 1), "the client has the cookie, so the value is stored")
		require.ErrorIs(t, current(t, r).SignIn(t.Context(), "ada"), session.ErrHeaderSent)
	})))
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Len(t, resp.Cookies(), 1)
	id := session.NewID(resp.Cookies()[0].Value)
	require.Eventually(t, func() bool {
		s, err := f.Retrieve(t.Context(), id)
		return err == nil && s.Has("n") && s.Has("later")
	}, time.Minute, time.Millisecond)
}

// Set after the header has left stores the value if the client has the cookie, and returns an error
// otherwise.
func TestSetAfterTheHeader(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		require.ErrorIs(t, current(t, r).Set("n", 1), session.ErrHeaderSent)
		require.ErrorIs(t, session.Update(current(t, r), "n", func(n int) int { return 1 }), session.ErrHeaderSent)
		require.ErrorIs(t, current(t, r).SignIn(t.Context(), "ada"), session.ErrHeaderSent)
	})
	require.Nil(t, cookieOf(w))
	for range f.Sessions(t.Context()) {
		t.Fatal("the store has a session whose ID no client knows; want none")
	}

	s := created(t, f)
	id := s.ID()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		mine := current(t, r)
		require.NoError(t, mine.Set("late", 1))
		require.ErrorIs(t, mine.ChangeID(r.Context()), session.ErrHeaderSent)
		require.ErrorIs(t, mine.SignIn(t.Context(), "ada"), session.ErrHeaderSent)
	}, id.Reveal())
	s, err := f.Retrieve(t.Context(), id)
	require.NoError(t, err)
	require.True(t, s.Has("late"))
	require.Empty(t, s.Subject())
}

// Some frameworks call WriteHeader twice, for which net/http would log a warning that names our
// ResponseWriter.
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

// If the ResponseWriter supports neither Flush nor Hijack, the handler gets an error, and can still
// set the status.
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

// The response to HEAD sets the cookie that the response to GET would set.
func TestCookieOfHead(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nothing" {
			require.NoError(t, current(t, r).Set("n", 1))
			fmt.Fprint(w, "x")
		}
	}, func(t *testing.T, p *peer) {
		require.Len(t, p.do("HEAD", "/", session.ID{}).Cookies(), 1)
	})
}

// A TimeoutHandler outside buffers the response. It has the cookie, whatever the handler does to the
// header after it has begun to write.
func TestTimeoutHandlerOutside(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	for name, h := range map[string]http.HandlerFunc{
		"return":         func(w http.ResponseWriter, r *http.Request) {},
		"write":          func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") },
		"write, delete":  func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x"); w.Header().Del("Set-Cookie") },
		"write, clear":   func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x"); clear(w.Header()) },
		"write, replace": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x"); w.Header().Set("Set-Cookie", "a=1") },
	} {
		w := httptest.NewRecorder()
		http.TimeoutHandler(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			h(w, r)
		})), time.Minute, "").ServeHTTP(w, get())
		require.Len(t, sentCookies(w.Result().Header), 1, name)
		require.Contains(t, w.Result().Header.Get("Cache-Control"), "no-store", name)
	}
}

// ReadFrom of a source that can't be read does not begin the response, as in net/http.
func TestReadFromFailingSource(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	own := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, iotest.ErrReader(errOfApp)); err != nil {
			http.Error(w, "sorry", http.StatusInternalServerError)
		}
	})
	for name, h := range map[string]http.Handler{
		"net/http": own,
		"Handler":  f.Handler(own),
		"HandlerFunc": f.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
			require.NoError(t, s.Set("n", 1))
			_, err := io.Copy(w, iotest.ErrReader(errOfApp))
			return err
		}),
	} {
		s := created(t, f)
		w := served(h, get(), s.ID())
		require.Equal(t, 500, w.Code, name)
		require.False(t, same(t, f, s).Has("n"))
	}

	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("x", size)))
			require.NoError(t, err)
			require.EqualValues(t, size, n)
		})), get(), session.ID{})
		require.Equal(t, size, w.Body.Len())
	}
}
