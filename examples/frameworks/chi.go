package main

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"gosession.dev/session"
)

// withChi wraps the whole router. As a middleware, r.Use(sessions.Handler) does the same for
// the routes that are added after it.
func withChi(sessions *session.Factory) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		text, err := visit(r.Context())
		if err != nil {
			return // Config.OnError answers
		}
		fmt.Fprint(w, text)
	})
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := signIn(r.Context(), r.FormValue("user")); err == nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})
	r.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := signOut(r.Context()); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return sessions.Handler(r)
}
