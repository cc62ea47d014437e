package session_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"gosession.dev/session"
)

// A client that keeps no cookies sends the field empty at first, and from then on the ID that
// a response has there.
func ExampleConfig_header() {
	sessions, err := session.Config{Header: "X-Session"}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := session.Update(s, "calls", func(n int) int { return n + 1 }); err != nil {
			return err
		}
		calls, err := session.Get[int](s, "calls")
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(map[string]int{"calls": calls})
	})
	id := ""
	for range 2 {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Session", id)
		w := httptest.NewRecorder()
		handler(w, r)
		fmt.Print(w.Body)
		if ids := w.Result().Header["X-Session"]; len(ids) > 0 { // otherwise the ID is as before
			id = ids[0]
		}
	}
	// Output:
	// {"calls":1}
	// {"calls":2}
}
