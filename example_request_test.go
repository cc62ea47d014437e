package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memory"
)

// Handlers of any kind find the session in the context of the request.
func ExampleFactory_Handler() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			return // the store failed; Config.OnError answers
		}
		fmt.Fprintf(w, "user %q, new session: %t\n", s.Subject(), s.IsNew())
	})
	handler := sessions.Handler(mux) // for http.ListenAndServe

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: user "", new session: true
}

// A middleware redirects visitors who have not signed in to the page for that.
func ExampleFromContext() {
	signedIn := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			if err != nil {
				return // the store failed; Config.OnError answers
			}
			if s.Subject() == "" {
				http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /account", signedIn(http.NotFoundHandler()))

	w := httptest.NewRecorder()
	sessions.Handler(mux).ServeHTTP(w, httptest.NewRequest("GET", "/account", nil))
	fmt.Println(w.Code, w.Result().Header.Get("Location"))
	// Output: 303 /sign-in
}

// The pages for administrators have another session than the shop, with a cookie and
// timeouts of its own.
func ExampleFactory_FromContext() {
	shop, err1 := session.Open("memory", "")
	admin, err2 := session.Config{
		Timeouts: session.Timeouts{Idle: 10 * time.Minute, Lifetime: 8 * time.Hour},
		Cookie:   session.Cookie{Name: "__Host-admin", SameSite: http.SameSiteStrictMode},
	}.Open("memory", "")
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	defer shop.Close()
	defer admin.Close()
	handler := shop.Handler(admin.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		customer, err := shop.FromContext(r.Context()) // session.FromContext returns s, the session of admin
		if err != nil {
			return err
		}
		return errors.Join(s.Set("page", "orders"), customer.Set("language", "en"))
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/admin/orders", nil))
	fmt.Println(w.Code, len(w.Result().Cookies()), "cookies")
	// Output: 200 2 cookies
}

// The page is rendered into a buffer: if that fails, the message is still there for the next
// request.
func ExampleFactory_HandlerFunc() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	page := template.Must(template.New("page").Parse(`{{with .}}<p>{{.}}</p>{{end}}`))
	http.Handle("GET /{$}", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		message, err := session.Pop[string](s, "message")
		if err != nil {
			return err
		}
		var buf bytes.Buffer
		if err := page.Execute(&buf, message); err != nil {
			return err
		}
		_, err = buf.WriteTo(w)
		return err
	}))
}

func ExampleSession_Discard() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	pay := func() error { return errors.New("the card was refused") }
	h := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			return // Config.OnError answers
		}
		err = s.Set("paid", true)
		if err == nil {
			err = pay()
		}
		if err != nil {
			s.Discard()
			http.Error(w, err.Error(), http.StatusPaymentRequired)
		}
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	fmt.Println(w.Code, len(w.Result().Cookies()))
	// Output: 402 0
}

func ExampleSession_Lapsed() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /sign-in", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if s.Lapsed() {
			fmt.Fprintln(w, "Your session has expired.")
		}
		_, err := fmt.Fprintln(w, "Please sign in.")
		return err
	}))
}

func ExampleSession_StayIdle() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /status", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.StayIdle() // a page asks every few seconds
		return json.NewEncoder(w).Encode(map[string]any{"expires": s.Info().Expires})
	}))
}

// OnError answers requests whose session can't be read or stored, and functions of
// HandlerFunc that return an error.
func ExampleConfig_onError() {
	sessions, err := session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		switch {
		case errors.Is(err, session.ErrUnavailable), errors.Is(err, session.ErrSealed), errors.Is(err, session.ErrConflict):
			http.Error(w, "Please try again in a minute.", http.StatusServiceUnavailable)
		case errors.Is(err, session.ErrTooManySessions):
			http.Error(w, "You are signed in on too many devices.", http.StatusForbidden)
		case errors.Is(err, session.ErrStaleSignIn), errors.Is(err, session.ErrNotRecent), errors.Is(err, session.ErrNotFound):
			http.Error(w, "Please sign in again.", http.StatusForbidden)
		default:
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		}
	}}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	change := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.RequireRecent(10 * time.Minute)
	})
	w := httptest.NewRecorder()
	change(w, httptest.NewRequest("POST", "/password", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 403 Please sign in again.
}

// A test calls a handler that has no Factory.Handler around it.
func ExampleNewContext() {
	greet := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "Hello, %s!\n", s.Subject())
	}
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.SignIn(ctx, "ada"); err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	greet(w, httptest.NewRequest("GET", "/", nil).WithContext(session.NewContext(ctx, s)))
	fmt.Print(w.Body)
	// Output: Hello, ada!
}
