package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

var errOfApp = errors.New("of the application")

func fails(err error) func(http.ResponseWriter, *http.Request, *session.Session) error {
	return func(http.ResponseWriter, *http.Request, *session.Session) error { return err }
}

// The default Config.OnError answers with these statuses, and so does an OnError that writes nothing.
func TestHandlerFuncStatus(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{session.ErrUnavailable, 503},
		{session.ErrSealed, 503},
		{session.ErrConflict, 503},
		{context.DeadlineExceeded, 503},
		{session.ErrNotRecent, 403},
		{session.ErrTooManySessions, 403},
		{session.ErrStaleSignIn, 403},
		{session.ErrNotFound, 403},
		{session.ErrTooLarge, 413},
		{session.ErrHeaderSent, 500},
		{session.ErrCorrupt, 500},
		{errOfApp, 500},
		{errors.Join(session.ErrStaleSignIn, session.ErrUnavailable), 503},
	} {
		var log strings.Builder
		f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
		w := served(f.HandlerFunc(fails(fmt.Errorf("save: %w", tt.err))), get(), session.ID{})
		require.Equal(t, tt.want, w.Code, tt.err)
		require.Equal(t, http.StatusText(tt.want)+"\n", w.Body.String())
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "one line: %s", log.String())
		require.Contains(t, log.String(), "save: ")

		var got error
		f = factory(t, session.Config{OnError: func(_ http.ResponseWriter, _ *http.Request, err error) { got = err }}, newProbe())
		w = served(f.HandlerFunc(fails(tt.err)), get(), session.ID{})
		require.Equal(t, tt.want, w.Code, tt.err)
		require.Equal(t, tt.err, got)
		require.Empty(t, w.Body.String())
	}
}

// The default OnError does not log the cancellation of a request by its client. It logs other errors
// of a canceled request.
func TestHandlerFuncCanceled(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx   context.Context
		err   error
		lines int
	}{
		{canceled, fmt.Errorf("query: %w", context.Canceled), 0},
		{canceled, io.ErrUnexpectedEOF, 1},
		{t.Context(), context.Canceled, 1},
	} {
		var log strings.Builder
		f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
		served(f.HandlerFunc(fails(tt.err)), get().WithContext(tt.ctx), session.ID{})
		require.Equal(t, tt.lines, strings.Count(log.String(), "\n"), tt.err)
	}
}

// Over a real server: the changes of fn are stored if it returns nil, and dropped otherwise.
func TestHandlerFunc(t *testing.T) {
	f, store := tracked(t, session.Config{})
	mux := http.NewServeMux()
	mux.Handle("/add", f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := session.Update(s, "n", func(n int) int { return n + 1 }); err != nil {
			return err
		}
		w.Header().Set("X-Own", "1")
		http.SetCookie(w, &http.Cookie{Name: "own", Value: "1"})
		if r.FormValue("fail") != "" {
			return errOfApp
		}
		n, err := session.Get[int](s, "n")
		fmt.Fprint(w, n)
		return err
	}))
	mux.Handle("/late", f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Set("late", 1); err != nil {
			return err
		}
		fmt.Fprint(w, "begun")
		return errOfApp
	}))
	mux.Handle("/changed", f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.ChangeID(r.Context()); err != nil {
			return err
		}
		return errors.Join(s.Set("lost", 1), errOfApp)
	}))
	mux.Handle("/session", f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		fmt.Fprint(w, s.Names())
		return nil
	}))
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	c := server.Client()
	jar := &keeper{}
	c.Jar = jar
	do := func(path string) (int, string, http.Header) {
		t.Helper()
		resp, err := c.Get(server.URL + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body), resp.Header
	}
	expect := func(path string, code int, body string) http.Header {
		t.Helper()
		gotCode, gotBody, h := do(path)
		require.Equal(t, code, gotCode)
		require.Equal(t, body, gotBody)
		return h
	}
	const page = "Internal Server Error\n"

	h := expect("/add?fail=1", 500, page)
	require.Empty(t, h["Set-Cookie"], "neither the session cookie nor a cookie of the dropped page")
	require.Empty(t, h["X-Own"])
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	expect("/add", 200, "1")
	expect("/add?fail=1", 500, page)
	expect("/add", 200, "2")
	expect("/late", 200, "begun")
	expect("/session", 200, "[late n]")

	before := jar.session
	h = expect("/changed", 500, page)
	require.Len(t, h["Set-Cookie"], 1)
	require.NotEqual(t, before, jar.session)
	expect("/session", 200, "[late n]")

	store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	expect("/add", 503, "Service Unavailable\n")
}

// keeper is a cookie jar for one server.
type keeper struct{ session string }

func (k *keeper) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		if c.Name == "__Host-session" {
			k.session = c.Value
		}
	}
}

func (k *keeper) Cookies(*url.URL) []*http.Cookie {
	if k.session == "" {
		return nil
	}
	return []*http.Cookie{{Name: "__Host-session", Value: k.session}}
}

// Inside of a Handler of the same factory, the error page goes through the handlers between: of
// another factory, of the application, or of net/http.
func TestHandlerFuncInside(t *testing.T) {
	other := factory(t, quiet(session.Config{Cookie: session.Cookie{Name: "__Host-other"}}), memory.New(memory.Options{}))
	for name, between := range map[string]func(http.Handler) http.Handler{
		"Handler":     func(h http.Handler) http.Handler { return h },
		"HandlerFunc": func(h http.Handler) http.Handler { return h },
		"other":       other.Handler,
		"header":      func(h http.Handler) http.Handler { return withHeader(h) },
		"timeout":     func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
	} {
		t.Run(name, func(t *testing.T) {
			reported := 0
			f, _ := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				reported++
				require.Equal(t, errOfApp, err)
				http.Error(w, "sorry", http.StatusTeapot)
			}})
			var seen *session.Session
			inner := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
				require.Same(t, seen, s)
				w.Header().Set("X-Own", "1")
				w.Header().Set("Content-Length", "7")
				require.NoError(t, s.Set("n", 1))
				return errOfApp
			})
			outer := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = current(t, r)
				between(inner).ServeHTTP(w, r)
			}))
			if name == "HandlerFunc" {
				outer = f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
					seen = s
					inner(w, r)
					return nil
				})
			}
			s := created(t, f)
			w := served(outer, get(), s.ID())
			require.Equal(t, 418, w.Code)
			require.Equal(t, "sorry\n", w.Body.String())
			require.Equal(t, 1, reported)
			require.Empty(t, w.Header()["X-Own"])
			require.NotEqual(t, "7", w.Header().Get("Content-Length"))
			require.Equal(t, name == "header", w.Header().Get("X-Between") != "")
			require.Empty(t, same(t, f, s).Names())
		})
	}
}

func withHeader(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Between", "1")
		next.ServeHTTP(w, r)
	})
}

// No error page is appended if fn has begun to answer, by Write or in another way.
func TestHandlerFuncHasBegun(t *testing.T) {
	for name, begin := range map[string]func(http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(201) },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("page")) },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"hijack":      func(w http.ResponseWriter) { conn, _, err := w.(http.Hijacker).Hijack(); _ = err; conn.Close() },
		"1xx":         func(w http.ResponseWriter) { w.WriteHeader(103) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := tracked(t, session.Config{})
			s := created(t, f)
			server := httptest.NewServer(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
				require.NoError(t, s.Set("n", 1))
				begin(w)
				return errOfApp
			}))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
			require.NoError(t, err)
			r.Header.Set("Cookie", "__Host-session="+s.ID().Reveal())
			resp, err := http.DefaultClient.Do(r)
			if name == "hijack" {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, name == "1xx", resp.StatusCode == 500)
				require.Equal(t, name == "1xx", strings.Contains(string(body), "Internal"))
			}
			require.Equal(t, name != "1xx", same(t, f, s).Has("n"))
		})
	}
}

// OnError also answers for a session of NewContext, without a Handler outside.
func TestHandlerFuncWithNewContext(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := created(t, f)
	r := get()
	r = r.WithContext(session.NewContext(r.Context(), s))
	w := served(f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, got *session.Session) error {
		require.Same(t, s, got)
		require.NoError(t, s.Set("n", 1))
		return errOfApp
	}), r, session.ID{})
	require.Equal(t, 500, w.Code)
	require.False(t, s.Has("n"))
}

// If a write without an answer has changed the ID, the error page sets the cookie. If the store still
// fails, the error page is sent nevertheless.
func TestHandlerFuncAfterLostAnswer(t *testing.T) {
	for _, down := range []bool{false, true} {
		f, st := onStage(t, session.Config{OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "own page", http.StatusServiceUnavailable)
		}})
		s := stored(t, f, map[string]any{"cart": 1})
		st.then("ChangeID", lost)
		st.then("Retrieve", made, unmade)
		if down {
			st.then("Retrieve", unmade, unmade, unmade, unmade, unmade, unmade, unmade)
		}
		w := served(f.HandlerFunc(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
			err := s.ChangeID(r.Context())
			require.ErrorIs(t, err, session.ErrUnavailable)
			return err
		}), get(), s.ID())
		require.Equal(t, 503, w.Code)
		require.Equal(t, "own page\n", w.Body.String())
		if down {
			require.Nil(t, cookieOf(w))
			continue
		}
		again, err := f.Retrieve(t.Context(), session.NewID(cookieOf(w).Value))
		require.NoError(t, err)
		require.True(t, again.Has("cart"))
	}
}

// The ResponseWriters of fn and of OnError, printed, show nothing of the cookie.
func TestHandlerFuncWriterIsHidden(t *testing.T) {
	var shown strings.Builder
	show := func(w http.ResponseWriter) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&shown, verb, w)
		}
	}
	f := factory(t, quiet(session.Config{OnError: func(w http.ResponseWriter, _ *http.Request, _ error) { show(w) }}), newProbe())
	id := ""
	w := served(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(r.Context()))
		id = s.ID().Reveal()
		show(w)
		return errOfApp
	}), get(), session.ID{})
	require.Equal(t, 500, w.Code)
	require.Equal(t, id, cookieOf(w).Value)
	require.NotEmpty(t, shown.String())
	require.NotContains(t, shown.String(), id)
}

// If fn has begun a new session after Destroy, its changes are dropped, too.
func TestHandlerFuncDestroyThenFail(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := signedIn(t, f, "ada")
	w := served(f.HandlerFunc(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
		require.NoError(t, s.Destroy(r.Context()))
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.SignIn(r.Context(), "bob"))
		return errOfApp
	}), get(), s.ID())
	require.Equal(t, 500, w.Code)
	cookies := sentCookies(w.Header())
	require.Len(t, cookies, 1)
	require.Equal(t, -1, cookies[0].MaxAge, "ada is signed out, and no user is signed in")
	for info, err := range f.SubjectSessions(t.Context(), "bob") {
		require.Fail(t, "a session is stored", "%v %v", info, err)
	}
}

// The error page has the cookie of a factory inside once, also if the header had it before.
func TestHandlerFuncAfterNested(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	inner, _ := tracked(t, session.Config{Cookie: session.Cookie{Name: "__Host-inner"}})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error { return s.Set("n", 1) })(recorded{w}, r)
		f.HandlerFunc(fails(errOfApp))(w, r)
	})), get(), session.ID{})
	require.Equal(t, 500, w.Code)
	require.Len(t, w.Header()["Set-Cookie"], 1)
	require.Contains(t, w.Header().Get("Set-Cookie"), "__Host-inner=")
}

// recorded is a ResponseWriter that sends nothing, but has the header of another.
type recorded struct{ http.ResponseWriter }

func (recorded) WriteHeader(int)             {}
func (recorded) Write(b []byte) (int, error) { return len(b), nil }

// If fn panics, its changes are dropped, also if a middleware inside of Handler recovers and answers.
func TestHandlerFuncPanics(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := created(t, f)
	panics := f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
		require.NoError(t, s.Set("n", 1))
		panic("of the application")
	})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			require.NotNil(t, recover())
			http.Error(w, "sorry", http.StatusInternalServerError)
		}()
		panics(w, r)
	})), get(), s.ID())
	require.Equal(t, http.StatusInternalServerError, w.Code)
	again, err := f.Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	require.False(t, again.Has("n"))
}

// If a middleware between Handler and HandlerFunc, which wraps the ResponseWriter, has sent a part
// of the response, no error page is appended.
func TestHandlerFuncAfterAWrapperHasWritten(t *testing.T) {
	reported := 0
	f, _ := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		reported++
		http.Error(w, "sorry", http.StatusTeapot)
	}})
	inner := f.HandlerFunc(fails(errOfApp))
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = struct{ http.ResponseWriter }{w}
		w.Header().Set("Cache-Control", "private")
		fmt.Fprint(w, "begun")
		inner(w, r)
	})), get(), session.ID{})
	require.Equal(t, 200, w.Code)
	require.Equal(t, "begun", w.Body.String())
	require.Equal(t, 1, reported)
	require.NotContains(t, w.Header(), "X-Content-Type-Options", "the header has nothing of the error page")
}
