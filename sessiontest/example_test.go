package sessiontest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// The test of the package's comment.
func TestCheckout(t *testing.T) {
	checkout := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err == nil && s.Subject() == "" {
			http.Error(w, "sign in", http.StatusUnauthorized)
		}
	})
	f := sessiontest.New(t)
	handler := f.Handler(checkout)
	status := func(r *http.Request) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}

	s := sessiontest.SignIn(t, f, "user:42", map[string]any{"cart": []string{"apple"}})
	r := httptest.NewRequest("POST", "/checkout", nil)
	r.AddCookie(s.Cookie())
	if got := status(r); got != http.StatusOK {
		t.Errorf("signed in: %d", got)
	}
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	if got := status(r); got != http.StatusServiceUnavailable {
		t.Errorf("while the store is down: %d", got)
	}
	f.Store.Heal()
	f.Clock.Advance(2 * time.Hour)
	if got := status(r); got != http.StatusUnauthorized {
		t.Errorf("two hours later: %d", got)
	}
}

// A test of a handler for which a user has signed in.
func ExampleSignIn() {
	f := sessiontest.New(t)
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		cart, err := session.Get[[]string](s, "cart")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, s.Subject(), cart)
		return err
	})
	s := sessiontest.SignIn(t, f, "user:42", map[string]any{"cart": []string{"apples"}})
	r := httptest.NewRequest("GET", "/cart", nil)
	r.AddCookie(s.Cookie())
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Body)
	// Output: user:42 [apples]
}

// A test of what a handler has stored. The client has a session although it came without one.
func ExampleStored() {
	f := sessiontest.New(t)
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.SignIn(r.Context(), "user:42")
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("POST", "/sign-in", nil))
	fmt.Println(sessiontest.Stored(t, f, w.Result()).Subject())
	// Output: user:42
}

// The response need not have the ID if it is still that of the request. A ResponseRecorder
// does not know the request, so the test sets it.
func ExampleStored_request() {
	f := sessiontest.NewWithConfig(t, session.Config{Header: "X-Session"})
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.Set("language", "en")
	})
	r := httptest.NewRequest("POST", "/language", nil)
	r.Header.Set("X-Session", sessiontest.SignIn(t, f, "user:42", nil).ID().Reveal())
	w := httptest.NewRecorder()
	handler(w, r)
	resp := w.Result()
	resp.Request = r
	fmt.Println(sessiontest.Stored(t, f, resp).Names())
	// Output: [language]
}

// A test of what users see while the store is down. Afterwards they are still signed in.
func ExampleStore_Inject() {
	f := sessiontest.New(t)
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		_, err := fmt.Fprintln(w, "Hello,", s.Subject())
		return err
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(sessiontest.SignIn(t, f, "Ada", nil).Cookie())

	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Body)

	f.Store.Heal()
	w = httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 503 Service Unavailable
	// 200 Hello, Ada
}

// A test of what a user sees whose session has expired.
func ExampleClock_Advance() {
	f := sessiontest.NewWithConfig(t, session.Config{Timeouts: session.Timeouts{Idle: 30 * time.Minute}})
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		_, err := fmt.Fprintf(w, "user %q, expired: %t\n", s.Subject(), s.Lapsed())
		return err
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(sessiontest.SignIn(t, f, "Ada", nil).Cookie())
	f.Clock.Advance(31 * time.Minute)
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Body)
	// Output: user "", expired: true
}

// A test of what a page costs. It reads the session once, and writes nothing.
func ExampleStore_TakeCalls() {
	f := sessiontest.New(t)
	handler := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		_, err := fmt.Fprintln(w, "Hello,", s.Subject())
		return err
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(sessiontest.SignIn(t, f, "Ada", nil).Cookie())
	f.Store.TakeCalls() // of SignIn
	handler(httptest.NewRecorder(), r)
	fmt.Println(f.Store.TakeCalls())
	// Output: map[Retrieve:1]
}

// Package session merges the changes with a competing write, so the handler does not notice it.
// Here the store is the application's own.
func ExampleWrap() {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	sessions, err := session.Config{}.New(store)
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	s := sessiontest.SignIn(t, sessions, "user:42", nil)
	store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: driver.ErrConflict, Times: 1})
	if err := session.Update(s, "n", func(n int) int { return n + 1 }); err != nil {
		t.Fatal(err)
	}
	fmt.Println(s.Flush(t.Context()), sessions.Stats().Conflicts)
	// Output: <nil> 1
}
