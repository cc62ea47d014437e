package session_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// probe is a store that counts its calls, and can fail or delay them.
type probe struct {
	driver.Store // a memory store

	mu     sync.Mutex // guards what follows
	calls  map[string]int
	before func(ctx context.Context, call string) error
}

func newProbe() *probe {
	return &probe{Store: memory.New(memory.Options{}), calls: map[string]int{}}
}

// intercept makes each call of the store call fn first. If fn returns an error, the call returns it.
func (p *probe) intercept(fn func(ctx context.Context, call string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = fn
}

// fail makes the named calls fail with err, or all calls if none is named.
func (p *probe) fail(err error, calls ...string) {
	p.intercept(func(_ context.Context, call string) error {
		if len(calls) == 0 || strings.Contains(strings.Join(calls, " "), call) {
			return err
		}
		return nil
	})
}

// take returns the numbers of calls since the last take.
func (p *probe) take() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.calls
	p.calls = map[string]int{}
	return taken
}

func (p *probe) call(ctx context.Context, name string) error {
	p.mu.Lock()
	p.calls[name]++
	before := p.before
	p.mu.Unlock()
	if before != nil {
		return before(ctx, name)
	}
	return nil
}

func (p *probe) Create(ctx context.Context, r *driver.Record) error {
	if err := p.call(ctx, "Create"); err != nil {
		return err
	}
	return p.Store.Create(ctx, r)
}

func (p *probe) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if err := p.call(ctx, "Retrieve"); err != nil {
		return nil, err
	}
	return p.Store.Retrieve(ctx, key)
}

func (p *probe) Flush(ctx context.Context, r *driver.Record) error {
	if err := p.call(ctx, "Flush"); err != nil {
		return err
	}
	return p.Store.Flush(ctx, r)
}

func (p *probe) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if err := p.call(ctx, "ChangeID"); err != nil {
		return err
	}
	return p.Store.ChangeID(ctx, oldKey, r)
}

func (p *probe) Destroy(ctx context.Context, key string) error {
	if err := p.call(ctx, "Destroy"); err != nil {
		return err
	}
	return p.Store.Destroy(ctx, key)
}

func (p *probe) DeleteExpired(ctx context.Context) (int, error) {
	if err := p.call(ctx, "DeleteExpired"); err != nil {
		return 0, err
	}
	return p.Store.DeleteExpired(ctx)
}

func (p *probe) Touch(ctx context.Context, key string, expires time.Time) error {
	if err := p.call(ctx, "Touch"); err != nil {
		return err
	}
	return p.Store.(driver.Toucher).Touch(ctx, key, expires)
}

func (p *probe) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	if err := p.call(ctx, "SubjectSessions"); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return p.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

// unclosed is a store that several factories use.
type unclosed struct{ driver.Store }

func (unclosed) Close() error { return nil }

// bare hides the optional interfaces of a store.
type bare struct{ driver.Store }

// forgetful is a store that does not set the version after a write.
type forgetful struct{ driver.Store }

func (s forgetful) Create(ctx context.Context, r *driver.Record) error {
	err := s.Store.Create(ctx, r)
	r.Version = 0
	return err
}

func (s forgetful) Flush(ctx context.Context, r *driver.Record) error {
	err := s.Store.Flush(ctx, r)
	if err == nil {
		r.Version = 0
	}
	return err
}

func (s forgetful) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	err := s.Store.ChangeID(ctx, oldKey, r)
	if err == nil {
		r.Version = 0
	}
	return err
}

// factory returns a factory that is closed at the end of the test.
func factory(t testing.TB, c session.Config, store driver.Store) *session.Factory {
	t.Helper()
	f, err := c.New(store)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// same returns a second Session with the ID of s.
func same(t testing.TB, f *session.Factory, s *session.Session) *session.Session {
	t.Helper()
	again, err := f.Retrieve(context.Background(), s.ID())
	require.NoError(t, err)
	return again
}

// created returns a new, stored session.
func created(t testing.TB, f *session.Factory) *session.Session {
	t.Helper()
	s, err := f.Create(context.Background())
	require.NoError(t, err)
	return s
}

// client is an HTTP client that keeps cookies.
type client struct {
	t   testing.TB
	url string
	*http.Client
}

// serve starts a TLS server for h inside of f.Handler.
func serve(t testing.TB, f *session.Factory, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(f.Handler(h))
	t.Cleanup(srv.Close)
	return srv
}

func browser(t testing.TB, srv *httptest.Server) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &client{t, srv.URL, &http.Client{Transport: srv.Client().Transport, Jar: jar}}
}

func (c *client) get(path string) *http.Response {
	c.t.Helper()
	resp, err := c.Client.Get(c.url + path)
	require.NoError(c.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, resp.Body.Close())
	return resp
}

// exchanged serves one request with these session cookies, without a network.
func exchanged(f *session.Factory, h http.HandlerFunc, cookies ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	for _, value := range cookies {
		r.Header.Add("Cookie", "__Host-session="+value)
	}
	w := httptest.NewRecorder()
	f.Handler(h).ServeHTTP(w, r)
	return w
}

// exchangedLine serves one request with this Cookie field by a handler that asks for its session.
func exchangedLine(f *session.Factory, line string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	r.Header["Cookie"] = []string{line}
	w := httptest.NewRecorder()
	f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = session.FromContext(r.Context())
	})).ServeHTTP(w, r)
	return w
}

// cookieOf returns the session cookie that a response sets, or nil.
func cookieOf(w *httptest.ResponseRecorder) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-session" {
			return c
		}
	}
	return nil
}
