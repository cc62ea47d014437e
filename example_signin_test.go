package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"gosession.dev/session"
)

// The sign-in gives the session a new ID and keeps what the guest has put into it.
func ExampleSession_SignIn() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx) // in a handler, the session of the request
	if err != nil {
		log.Fatal(err)
	}
	guest := s.Key()
	if err := s.Set("cart", "apples"); err != nil {
		log.Fatal(err)
	}
	// The handler checks the password here.
	if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil { // Factory.Handler flushes by itself
		log.Fatal(err)
	}
	cart, err := session.Get[string](s, "cart")
	fmt.Println(s.Subject(), s.Key() != guest, cart, err)
	// Output: user:42 true apples <nil>
}

// "Remember me": the session gets longer timeouts, and the browser keeps the cookie when it
// closes.
func ExampleSession_SetTimeouts() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	signIn := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.SignIn(r.Context(), "user:42"); err != nil {
			return err
		}
		if r.FormValue("remember") == "" {
			return nil
		}
		const day = 24 * time.Hour
		return s.SetTimeouts(session.Timeouts{Idle: 14 * day, Lifetime: 90 * day, Persistent: true})
	})
	for _, url := range []string{"/sign-in", "/sign-in?remember=yes"} {
		w := httptest.NewRecorder()
		signIn(w, httptest.NewRequest("POST", url, nil))
		fmt.Println("the browser keeps the cookie:", w.Result().Cookies()[0].MaxAge > 0)
	}
	// Output:
	// the browser keeps the cookie: false
	// the browser keeps the cookie: true
}

// The sign-in begins before the password is checked. If another request changes the password
// and ends all sessions of the user in between, the sign-in with the old password fails.
func ExampleFactory_BeginSignIn() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	checkPassword := func() { // while it is checked, another request changes it
		if err := sessions.DestroySubject(context.Background(), "user:42"); err != nil {
			log.Fatal(err)
		}
	}
	signIn := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		attempt, err := sessions.BeginSignIn(r.Context(), "user:42")
		if err != nil {
			return err
		}
		checkPassword()
		return s.SignIn(r.Context(), "user:42", attempt)
	})
	w := httptest.NewRecorder()
	signIn(w, httptest.NewRequest("POST", "/sign-in", nil))
	fmt.Println(w.Code, len(w.Result().Cookies()))
	// Output: 403 0
}

// A sign-in in two steps keeps its Attempt in the session. The first step checks the
// password, the second a code from the user's telephone.
func ExampleAttempt() {
	type firstStep struct {
		User    string
		Attempt session.Attempt
	}
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /password", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		user := "user:42" // from the name in the form
		attempt, err := sessions.BeginSignIn(r.Context(), user)
		if err != nil {
			return err
		}
		// Check the password here, and send the code.
		return s.Set("step", firstStep{user, attempt})
	}))
	http.Handle("POST /code", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		step, err := session.Take[firstStep](r.Context(), s, "step") // one code for one password
		if err != nil {
			return err
		}
		// Check the code here.
		return s.SignIn(r.Context(), step.User, step.Attempt)
	}))
}

// What a guest has put into the session stays at a sign-in, unless the handler clears it.
func ExampleSession_Clear() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx) // in a handler, the session of the request
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Set("cart", "apples"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Clear(), s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Subject(), s.Names())
	// Output: user:42 []
}

// A session that gets more rights also gets a new ID, so that an attacker who has the old ID
// does not get them. SignIn changes the ID by itself.
func ExampleSession_ChangeID() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /admin", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.RequireRecent(5 * time.Minute); err != nil {
			return err
		}
		if err := s.Set("admin", true); err != nil {
			return err
		}
		return s.ChangeID(r.Context())
	}))
}

// Destroy signs out, and the response removes the cookie. If Destroy fails, Config.OnError
// answers, and the client keeps its cookie, so that the user can try again.
func ExampleSession_Destroy() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	signOut := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Destroy(r.Context()); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	s, err := sessions.Create(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/sign-out", nil)
	r.AddCookie(s.Cookie())
	w := httptest.NewRecorder()
	signOut(w, r)
	fmt.Println(w.Code, w.Result().Cookies()[0].MaxAge)
	// Output: 303 -1
}

// A handler that changes the password asks for the old one, unless the user has just signed
// in.
func ExampleSession_RequireRecent() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	change := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		err := s.RequireRecent(10 * time.Minute)
		if errors.Is(err, session.ErrNotRecent) {
			http.Redirect(w, r, "/confirm", http.StatusSeeOther) // a page that calls SignIn again
			return nil
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, "The password is changed.")
		return err
	})
	w := httptest.NewRecorder()
	change(w, httptest.NewRequest("POST", "/password", nil)) // nobody has signed in
	fmt.Println(w.Code, w.Result().Header.Get("Location"))
	// Output: 303 /confirm
}

// The user signs in while another request with the old ID is in flight. That request could
// not store anything, so its handler asks the user to load the page again.
func ExampleSession_Overtaken() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if s.Overtaken() {
			http.Error(w, "You have just signed in. Please load the page again.", http.StatusConflict)
			return nil
		}
		return s.Set("language", r.FormValue("language"))
	})
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/language?language=en", nil)
	r.AddCookie(s.Cookie())
	if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Code)
	// Output: 409
}
