package main

import (
	"fmt"
	"net/http"

	"gosession.dev/session"
)

// withNetHTTP needs no framework. Factory.Handler wraps the whole mux of net/http.
func withNetHTTP(sessions *session.Factory) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		text, err := visit(r.Context())
		if err != nil {
			return // Config.OnError answers
		}
		fmt.Fprint(w, text)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := signIn(r.Context(), r.FormValue("user")); err == nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := signOut(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return sessions.Handler(mux)
}
