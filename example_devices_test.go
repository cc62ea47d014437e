package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"gosession.dev/session"
)

// "My devices": a page lists the sessions of its user. See Factory.Revoke for a form that
// signs out one of them.
func ExampleFactory_SubjectSessions() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	var s *session.Session // in a handler, the session of the request
	for _, label := range []string{"Firefox on Linux", "Safari on iPhone"} {
		if s, err = sessions.Create(ctx); err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(s.SignIn(ctx, "user:42"), s.SetLabel(label), s.Flush(ctx)); err != nil {
			log.Fatal(err)
		}
	}
	var devices []string
	for info, err := range sessions.SubjectSessions(ctx, s.Subject()) {
		if err != nil {
			log.Fatal(err)
		}
		if info.Handle == s.Handle() {
			info.Label += " (this device)"
		}
		devices = append(devices, info.Label) // a page also has info.LastSeen and info.Handle
	}
	fmt.Printf("%q\n", slices.Sorted(slices.Values(devices)))
	// Output: ["Firefox on Linux" "Safari on iPhone (this device)"]
}

// A label is the text by which a user recognizes the session in a list of devices.
func ExampleSession_SetLabel() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /sign-in", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.SignIn(r.Context(), "user:42"); err != nil {
			return err
		}
		device := "A browser"
		if strings.Contains(r.UserAgent(), "Firefox") {
			device = "Firefox"
		}
		return s.SetLabel(device)
	}))
}

// A page tells the user when the session expires.
func ExampleSession_Info() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		info := s.Info()
		_, err := fmt.Fprintln(w, "If you do nothing, your session expires in", info.Expires.Sub(info.LastSeen).Round(time.Minute))
		return err
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: If you do nothing, your session expires in 1h0m0s
}

// "Sign out this device": the form has the handle of a session. Revoke ends it only if it is
// a session of the same user.
func ExampleFactory_Revoke() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /devices/end", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if s.Subject() == "" {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return nil
		}
		err := sessions.Revoke(r.Context(), s.Subject(), r.FormValue("handle"))
		if err != nil && !errors.Is(err, session.ErrNotFound) { // ErrNotFound: it has ended already
			return err
		}
		http.Redirect(w, r, "/devices", http.StatusSeeOther)
		return nil
	}))
}

func ExampleSession_DestroyOthers() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	signIn := func() *session.Session {
		s, err := sessions.Create(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
			log.Fatal(err)
		}
		return s
	}
	laptop, phone := signIn(), signIn()
	if err := laptop.DestroyOthers(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = sessions.Retrieve(ctx, phone.ID())
	fmt.Println("phone:", err)
	_, err = sessions.Retrieve(ctx, laptop.ID())
	fmt.Println("laptop:", err)
	// Output:
	// phone: session: retrieve: session not found
	// laptop: <nil>
}

// A reset of the password signs the user out everywhere. It stores the new password first,
// then ends all sessions, and then signs in.
func ExampleFactory_DestroySubject() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	reset := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		user := "user:42" // from the link in the mail
		// Store the new password here.
		if err := sessions.DestroySubject(r.Context(), user); err != nil {
			return err
		}
		if err := s.SignIn(r.Context(), user); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	w := httptest.NewRecorder()
	reset(w, httptest.NewRequest("POST", "/reset", nil))
	fmt.Println(w.Code, len(w.Result().Cookies()))
	// Output: 303 1
}

// A user has at most one session. A sign-in on another device ends the session before.
func ExampleConfig_maxPerSubject() {
	sessions, err := session.Config{MaxPerSubject: 1}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	signIn := func() *session.Session {
		s, err := sessions.Create(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
			log.Fatal(err)
		}
		return s
	}
	laptop, phone := signIn(), signIn()
	_, err = sessions.Retrieve(ctx, laptop.ID())
	fmt.Println("laptop:", err)
	_, err = sessions.Retrieve(ctx, phone.ID())
	fmt.Println("phone:", err)
	// Output:
	// laptop: session: retrieve: session not found
	// phone: <nil>
}

// A licence has two seats, and a third sign-in is refused. The handler flushes to answer that
// itself; otherwise Config.OnError answers.
func ExampleConfig_refuseAtMax() {
	sessions, err := session.Config{MaxPerSubject: 2, RefuseAtMax: true}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	signIn := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.SignIn(r.Context(), "licence:7"); err != nil {
			return err
		}
		err := s.Flush(r.Context())
		if errors.Is(err, session.ErrTooManySessions) {
			http.Error(w, "All seats are taken.", http.StatusForbidden)
			return nil
		}
		return err
	})
	for range 3 {
		w := httptest.NewRecorder()
		signIn(w, httptest.NewRequest("POST", "/sign-in", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 200
	// 403
}
