package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/sessiontest"
)

// shop is a handler that greets the user and counts visits.
func shop(w http.ResponseWriter, r *http.Request) {
	s, err := session.FromContext(r.Context())
	if err != nil {
		return
	}
	if err := session.Update(s, "visits", func(n int) int { return n + 1 }); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	name, _ := session.Get[string](s, "name")
	fmt.Fprintf(w, "%s of %q", name, s.Subject())
}

func get(h http.Handler, c *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNew(t *testing.T) {
	f := sessiontest.New(t)
	h := f.Handler(http.HandlerFunc(shop))
	cookie := sessiontest.SignIn(t, f, "ada", map[string]any{"name": "Ada"}).Cookie()
	require.Equal(t, `Ada of "ada"`, get(h, cookie).Body.String())
	require.Equal(t, `Bob of "bob"`, get(h, sessiontest.SignIn(t, f, "bob", map[string]any{"name": "Bob"}).Cookie()).Body.String())
	require.Equal(t, ` of ""`, get(h, sessiontest.SignIn(t, f, "", nil).Cookie()).Body.String())

	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	require.Equal(t, http.StatusServiceUnavailable, get(h, cookie).Code)
	f.Store.Heal()
	require.Equal(t, `Ada of "ada"`, get(h, cookie).Body.String())

	f.Clock.Advance(59 * time.Minute)
	require.Equal(t, `Ada of "ada"`, get(h, cookie).Body.String())
	f.Clock.Advance(59 * time.Minute)
	require.Equal(t, `Ada of "ada"`, get(h, cookie).Body.String(), "the request before has moved the expiry")
	f.Clock.Advance(time.Hour)
	require.Equal(t, ` of ""`, get(h, cookie).Body.String())
	n, err := f.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestNewWithConfig(t *testing.T) {
	f := sessiontest.NewWithConfig(t, session.Config{Timeouts: session.Timeouts{Idle: time.Minute, Persistent: true}, Cookie: session.Cookie{Name: "__Host-s"}})
	cookie := sessiontest.SignIn(t, f, "ada", nil).Cookie()
	require.Equal(t, "__Host-s", cookie.Name)
	require.InDelta(t, session.DefaultLifetime.Seconds(), cookie.MaxAge, 60, "counted by the clock of the test")
	f.Clock.Advance(2 * time.Minute)
	require.ErrorIs(t, f.Destroy(t.Context(), session.NewID(cookie.Value).Key()), session.ErrNotFound)
}

func TestStored(t *testing.T) {
	f := sessiontest.NewWithConfig(t, session.Config{Insecure: true})
	h := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		switch r.URL.Path {
		case "/sign-in":
			require.NoError(t, s.SignIn(r.Context(), "ada"))
		case "/sign-out":
			require.NoError(t, s.Destroy(r.Context()))
			return
		}
		require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
	}))
	count := func(s *session.Session) int {
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		return n
	}
	recorded := func(path string, cookies ...*http.Cookie) *http.Response {
		r := httptest.NewRequest("GET", path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}

	first := sessiontest.Stored(t, f, recorded("/"))
	require.Equal(t, 1, count(first))
	require.Empty(t, first.Subject())
	guest := first.Cookie()
	signedIn := sessiontest.Stored(t, f, recorded("/sign-in", guest, &http.Cookie{Name: "another", Value: "1"}))
	require.Equal(t, "ada", signedIn.Subject())
	require.Equal(t, 2, count(signedIn))
	cookie := signedIn.Cookie()
	f.Clock.Advance(59 * time.Minute)
	sessiontest.Stored(t, f, setting(cookie))
	f.Clock.Advance(2 * time.Minute)
	requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, setting(cookie)) }, "has the ID of a stored session")

	srv := httptest.NewServer(h)
	defer srv.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar}
	visit := func(path string) *http.Response {
		resp, err := client.Get(srv.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	require.Equal(t, 1, count(sessiontest.Stored(t, f, visit("/"))))
	require.Equal(t, 2, count(sessiontest.Stored(t, f.Factory, visit("/"))), "the response sets no cookie; the request has it")
	require.Equal(t, 3, count(sessiontest.Stored(t, f, visit("/sign-in"))))
	bob := sessiontest.SignIn(t, f, "bob", nil).Cookie()
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage, Times: 1})
	requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, setting(bob)) }, "connection refused")
	requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, visit("/sign-out")) }, "has the ID of a stored session")
	requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, recorded("/sign-out")) }, "a ResponseRecorder's response has no Request")
}

// A client without cookies has its ID in the field of Config.Header.
func TestStoredByHeader(t *testing.T) {
	f := sessiontest.NewWithConfig(t, session.Config{Header: "X-Session"})
	h := http.NewServeMux()
	h.HandleFunc("/static", func(http.ResponseWriter, *http.Request) {})
	h.HandleFunc("/", f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		switch r.URL.Path {
		case "/sign-in":
			return s.SignIn(r.Context(), "ada")
		case "/sign-out":
			return s.Destroy(r.Context())
		}
		return session.Update(s, "n", func(n int) int { return n + 1 })
	}))
	srv := httptest.NewServer(h)
	defer srv.Close()
	visit := func(path, id string, cookies ...*http.Cookie) *http.Response {
		r, err := http.NewRequest("GET", srv.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("X-Session", id)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	stored := func(resp *http.Response) *session.Session {
		t.Helper()
		return sessiontest.Stored(t, f, resp)
	}
	count := func(s *session.Session) int {
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		return n
	}

	first := stored(visit("/", ""))
	require.Equal(t, 1, count(first))
	id := first.ID().Reveal()
	require.Equal(t, 2, count(stored(visit("/", id))), "the response leaves the ID as it is")
	require.Equal(t, 2, count(stored(visit("/static", id))), "the handler does not look at the session")
	bob := sessiontest.SignIn(t, f, "bob", nil)
	require.Equal(t, 3, count(stored(visit("/", id, bob.Cookie()))), "a request with the field is served by it alone")
	signedIn := stored(visit("/sign-in", id, bob.Cookie()))
	require.Equal(t, "ada", signedIn.Subject())
	require.Equal(t, 3, count(signedIn))

	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Session", "")
	h.ServeHTTP(w, r)
	require.Equal(t, 1, count(stored(w.Result())))

	id = signedIn.ID().Reveal()
	for _, gone := range []*http.Response{
		visit("/sign-out", id, bob.Cookie()),
		visit("/static", ""),
		visit("/static", id),
	} {
		requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, gone) }, "has the ID of a stored session")
	}
	two := visit("/static", "")
	two.Request.Header["X-Session"] = []string{bob.ID().Reveal(), bob.ID().Reveal()}
	requireFatal(t, func(t testing.TB) { sessiontest.Stored(t, f, two) }, "has the ID of a stored session")
}

// A Cleanup runs when the context of the test is done.
func TestInCleanup(t *testing.T) {
	f := sessiontest.New(t)
	t.Cleanup(func() {
		s := sessiontest.SignIn(t, f, "ada", nil)
		require.Equal(t, s.ID().Reveal(), sessiontest.Stored(t, f, setting(s.Cookie())).ID().Reveal())
	})
}

// setting returns a response that sets a cookie.
func setting(c *http.Cookie) *http.Response {
	return &http.Response{Header: http.Header{"Set-Cookie": {c.String()}}}
}

// fatal is a testing.TB that keeps the text with which it was failed.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper()                  {}
func (f *fatal) Context() context.Context { return context.Background() }
func (f *fatal) Fatal(args ...any)        { f.text = fmt.Sprint(args...); runtime.Goexit() }
func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// requireFatal requires that do fails the test that it is given, with a message that contains
// text.
func requireFatal(t *testing.T, do func(testing.TB), text string) {
	t.Helper()
	f := &fatal{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(f)
	}()
	<-done
	require.Contains(t, f.text, text)
}

// Without a fault the store passes the conformance suite.
func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Target{
		Driver:     wrapped{t},
		DSN:        func(t testing.TB) string { return t.Name() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	})
}

type wrapped struct{ t *testing.T }

func (w wrapped) Open(dsn string) (driver.Store, error) {
	store, err := memory.Driver{}.Open(dsn)
	if err != nil {
		return nil, err
	}
	return sessiontest.Wrap(w.t, store), nil
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := sessiontest.New(t)
		s, err := f.Create(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Create": 1}, f.Store.TakeCalls())

		set := func(value int) error {
			require.NoError(t, s.Set("n", value))
			return s.Flush(ctx)
		}
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: driver.ErrConflict, Times: 2})
		require.NoError(t, set(1))
		require.Equal(t, map[string]int{"Flush": 3, "Retrieve": 2}, f.Store.TakeCalls())

		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, AnswerLost: true, Times: 1})
		require.NoError(t, set(2), "the factory finds out that the write has succeeded")
		require.Equal(t, map[string]int{"Flush": 1, "Retrieve": 1}, f.Store.TakeCalls())
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush", "Retrieve"}, Err: sessiontest.ErrOutage, AnswerLost: true, Times: 2})
		require.ErrorIs(t, set(2), sessiontest.ErrOutage)
		require.NoError(t, s.Flush(ctx))
		stored, err := f.Retrieve(ctx, s.ID())
		require.NoError(t, err)
		n, err := session.Get[int](stored, "n")
		require.NoError(t, err)
		require.Equal(t, 2, n, "stored, although the caller got an error")

		f.Store.Inject(sessiontest.Fault{Delay: time.Second})
		begin := time.Now()
		require.NoError(t, set(3))
		require.GreaterOrEqual(t, time.Since(begin), time.Second)
		f.Store.Inject(sessiontest.Fault{Delay: time.Hour})
		f.Store.Heal()
		f.Store.Inject(sessiontest.Fault{Delay: time.Hour})
		begin = time.Now()
		require.ErrorIs(t, set(4), context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(begin), "no longer than Config.StoreTimeout")
		f.Store.Heal()

		f.Store.Inject(sessiontest.Fault{Calls: []string{"Sessions", "SubjectSessions"}, Err: sessiontest.ErrOutage})
		for _, err := range f.Sessions(ctx) {
			require.ErrorIs(t, err, sessiontest.ErrOutage)
		}
		f.Store.Heal()
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Sessions"}, Err: sessiontest.ErrOutage, AnswerLost: true})
		for _, err := range f.Sessions(ctx) {
			require.NoError(t, err)
			break // before the error at the end
		}
	})
}

// What the inner store lacks fails with errors.ErrUnsupported, or does nothing.
func TestLackingStore(t *testing.T) {
	f, err := session.Config{SweepInterval: -1}.New(sessiontest.Wrap(t, lacking{memory.New(memory.Options{})}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Ping(t.Context()))
	require.ErrorIs(t, f.DestroySubject(t.Context(), "ada"), errors.ErrUnsupported)
	cookie := sessiontest.SignIn(t, f, "ada", nil).Cookie()
	_, err = f.Retrieve(t.Context(), session.NewID(cookie.Value))
	require.NoError(t, err)
}

type lacking struct{ driver.Store }
