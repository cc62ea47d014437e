// Package sessiontest helps to test applications that have sessions: a factory over
// memory whose clock the test moves, a cookie of somebody who has signed in, and a
// store that fails when the test says so.
//
//	func TestCheckout(t *testing.T) {
//		f := sessiontest.New(t)
//		handler := f.Handler(shop.Routes())
//
//		r := httptest.NewRequest("POST", "/checkout", nil)
//		r.AddCookie(sessiontest.Login(t, f, map[string]any{"cart": []string{"apple"}}))
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
	"log/slog"
	"net/http"
	"testing"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// Factory is a factory over memory, with what a test holds in its hands.
type Factory struct {
	*session.Factory
	Clock *Clock // of the factory and the store
	Store *Store // which can be made to fail
}

// New returns a factory with the zero [session.Config], but for its clock. It logs
// nothing, sweeps nothing by itself, and is closed when the test is over.
func New(t testing.TB) *Factory {
	t.Helper()
	return WithConfig(t, session.Config{})
}

// WithConfig is [New] with a Config. Its Now is replaced, and where they are not set
// its Logger and SweepInterval.
func WithConfig(t testing.TB, c session.Config) *Factory {
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

// Subject is whom [Login] signs in.
const Subject = "sessiontest"

// Sessions is a [session.Factory] of the application, or the [Factory] of [New].
type Sessions interface {
	Create(ctx context.Context) (*session.Session, error)
	Cookie(s *session.Session) *http.Cookie
}

// Login stores a session with these values, in which [Subject] has signed in, and
// returns its cookie.
func Login(t testing.TB, f Sessions, values map[string]any) *http.Cookie {
	t.Helper()
	return LoginAs(t, f, Subject, values)
}

// LoginAs is [Login] of somebody else; "" is a visitor who has not signed in.
func LoginAs(t testing.TB, f Sessions, subject string, values map[string]any) *http.Cookie {
	t.Helper()
	s, err := f.Create(t.Context())
	for key, value := range values {
		if err == nil {
			err = s.Set(key, value)
		}
	}
	if err == nil && subject != "" {
		err = s.SignIn(t.Context(), subject)
	}
	if err == nil {
		err = s.Flush(t.Context())
	}
	if err != nil {
		t.Fatalf("sessiontest: a session can't be made: %v", err)
	}
	return f.Cookie(s)
}
