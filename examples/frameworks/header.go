package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gosession.dev/session"
)

// withHeader is for clients that keep no cookies and send the ID as a bearer token, in the
// header field Authorization. The response has a new ID in the field Session-ID. If one field
// can carry both, Config.Header does all this: see examples/api. Cross-site request forgery
// is not possible, because no browser sends the token by itself.
func withHeader(sessions *session.Factory) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", inHeader(sessions, func(r *http.Request) (string, error) { return visit(r.Context()) }))
	mux.HandleFunc("POST /login", inHeader(sessions, func(r *http.Request) (string, error) {
		return "", signIn(r.Context(), r.FormValue("user"))
	}))
	mux.HandleFunc("POST /logout", inHeader(sessions, func(r *http.Request) (string, error) { return "", signOut(r.Context()) }))
	return mux
}

// inHeader finds the session, calls do with it, and stores it before it answers.
func inHeader(sessions *session.Factory, do func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		id := session.NewID(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		s, err := sessions.Retrieve(ctx, id)
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) {
			s, err = sessions.Create(ctx)
		}
		var text string
		if err == nil {
			text, err = do(r.WithContext(session.NewContext(ctx, s)))
		}
		if err == nil {
			if err = s.Flush(ctx); errors.Is(err, session.ErrNotFound) {
				s, err = nil, nil // the user has signed out
			}
		}
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if s != nil && s.Key() != id.Key() {
			w.Header().Set("Session-ID", s.ID().Reveal())
		}
		fmt.Fprint(w, text)
	}
}
