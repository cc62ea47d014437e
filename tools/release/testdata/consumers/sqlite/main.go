// This program counts the visits of one client in the driver sqlite.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/sqlite"
)

func main() {
	sessions, err := session.Open("sqlite", "file:sessions.db")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.Handler(http.HandlerFunc(visit))
	r := httptest.NewRequest("GET", "/", nil)
	for _, want := range []string{"1", "2"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != http.StatusOK || got != want {
			log.Fatalf("GET / = %d %q; want 200 %q", w.Code, got, want)
		}
		for _, cookie := range w.Result().Cookies() {
			r.AddCookie(cookie)
		}
	}
}

func visit(w http.ResponseWriter, r *http.Request) {
	s, err := session.FromContext(r.Context())
	if err == nil {
		err = session.Update(s, "visits", func(n int) int { return n + 1 })
	}
	if err != nil {
		log.Fatal(err)
	}
	visits, err := session.Get[int](s, "visits")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, visits)
}
