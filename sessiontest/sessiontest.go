// Package sessiontest helps to test applications that use sessions. [New] makes a factory
// over memory, whose clock the test advances, and whose store fails when the test says so.
// [SignIn] stores a session whose cookie a test adds to its requests. [Stored] returns the
// session that a client has after a response.
//
//	func TestCheckout(t *testing.T) {
//		f := sessiontest.New(t)
//		handler := f.Handler(shop.Routes())
//		s := sessiontest.SignIn(t, f, "user:42", map[string]any{"cart": []string{"apple"}})
//
//		r := httptest.NewRequest("POST", "/checkout", nil)
//		r.AddCookie(s.Cookie())
//		w := httptest.NewRecorder()
//		handler.ServeHTTP(w, r) // = 200
//
//		f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
//		handler.ServeHTTP(httptest.NewRecorder(), r) // = 503, and the user stays signed in
//
//		f.Store.Heal()
//		f.Clock.Advance(2 * time.Hour)
//		handler.ServeHTTP(httptest.NewRecorder(), r) // as for a new visitor
//	}
package sessiontest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// A Factory is a [session.Factory] over memory, with a clock and a store that the test
// controls.
type Factory struct {
	*session.Factory
	Clock *Clock // of the factory and of the store
	Store *Store
}

// New returns a factory with the zero [session.Config], except for its clock. It logs nothing
// and starts no sweeps. It is closed at the end of the test.
func New(t testing.TB) *Factory {
	t.Helper()
	return NewWithConfig(t, session.Config{})
}

// NewWithConfig is [New] with a Config. Now of the Config is replaced, and so are Logger and
// SweepInterval if they are not set.
func NewWithConfig(t testing.TB, c session.Config) *Factory {
	t.Helper()
	clock := NewClock()
	c.Now = clock.Now
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.SweepInterval == 0 {
		c.SweepInterval = -1
	}
	store := Wrap(t, memory.New(memory.Options{Now: clock.Now}))
	f, err := c.New(store)
	if err != nil {
		t.Fatalf("sessiontest: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("sessiontest: %v", err)
		}
	})
	return &Factory{Factory: f, Clock: clock, Store: store}
}

// Sessions are the methods of a factory that [SignIn] and [Stored] need. The
// [session.Factory] of an application has them, and so has a [Factory].
type Sessions interface {
	Create(ctx context.Context) (*session.Session, error)
	Retrieve(ctx context.Context, id session.ID) (*session.Session, error)
}

// SignIn stores a session with these values to which the subject has signed in, and returns
// it. If subject is empty, the session is anonymous.
func SignIn(t testing.TB, f Sessions, subject string, values map[string]any) *session.Session {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // the caller may be a Cleanup
	s, err := f.Create(ctx)
	for name, value := range values {
		if err == nil {
			err = s.Set(name, value)
		}
	}
	if err == nil && subject != "" {
		err = s.SignIn(ctx, subject)
	}
	if err == nil {
		err = s.Flush(ctx)
	}
	if err != nil {
		t.Fatalf("sessiontest: SignIn: %v", err)
	}
	return s
}

// Stored reads from the store the session that a client has after a response: the session
// whose ID the response has in a cookie, or in the field [session.Config].Header. A response
// that leaves the ID as it is may have neither; then it is the session of resp.Request, which
// http.Client sets, and httptest.ResponseRecorder does not. If the client has no session, the
// test fails. Stored does not count as a use of the session.
func Stored(t testing.TB, f Sessions, resp *http.Response) *session.Session {
	t.Helper()
	for _, id := range kept(resp) {
		s, err := f.Retrieve(context.WithoutCancel(t.Context()), session.NewID(id))
		switch {
		case err == nil:
			return s
		case !errors.Is(err, session.ErrNotFound):
			t.Fatalf("sessiontest: Stored: %v", err)
		}
	}
	t.Fatal("sessiontest: Stored: neither the response nor its Request has the ID of a stored session, in a cookie or in the field Config.Header; a ResponseRecorder's response has no Request: set it, or use Retrieve with the ID")
	return nil
}

// kept returns what may be the ID of the client's session after a response: the values of
// all cookies and of all fields of the header, because the names of those that carry IDs are
// not known here. What the response has replaces what the request has.
func kept(resp *http.Response) (ids []string) {
	set := resp.Cookies()
	for _, c := range set {
		ids = append(ids, c.Value)
	}
	ids = appendFields(ids, resp.Header)
	if resp.Request == nil {
		return ids
	}
	sent, inField := resp.Request.Header.Clone(), false
	for name, lines := range resp.Header {
		inField = inField || len(sent[name]) > 0 && slices.Equal(lines, []string{""}) // the client forgets the ID
		delete(sent, name)
	}
	ids = appendFields(ids, sent)
	for _, c := range resp.Request.Cookies() {
		if !inField && !slices.ContainsFunc(set, func(s *http.Cookie) bool { return s.Name == c.Name }) {
			ids = append(ids, c.Value)
		}
	}
	return ids
}

// appendFields appends the values of the fields that have one line. A field with several IDs
// names no session.
func appendFields(ids []string, h http.Header) []string {
	for _, lines := range h {
		if len(lines) == 1 {
			ids = append(ids, lines[0])
		}
	}
	return ids
}
