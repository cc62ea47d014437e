package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"gosession.dev/session"
)

// A stream of events ends when its user signs out by another request. A real stream also has
// to end when the server shuts down: see the example of Factory.Close.
func ExampleSession_Context() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	elsewhere, err := sessions.Create(ctx) // the session, as another request of the user has it
	if err != nil {
		log.Fatal(err)
	}
	cookie := elsewhere.Cookie()
	stream := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		live, cancel := s.Context(r.Context())
		defer cancel()
		if err := elsewhere.Destroy(ctx); err != nil {
			return err
		}
		<-live.Done() // in a select, beside the events
		if ended, ok := errors.AsType[*session.EndedError](context.Cause(live)); ok {
			fmt.Fprintln(w, "event: ended, because", ended.Reason)
		}
		return nil
	})
	r := httptest.NewRequest("GET", "/events", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	stream(w, r)
	fmt.Print(w.Body)
	// Output: event: ended, because signed out
}
