// Command api is a JSON API for clients that keep no cookies, such as a mobile application.
// A client sends the ID of its session in the header field X-Session: empty at first, and
// then the newest value that a response had there.
//
//	go run ./examples/api
//
//	curl -i -H 'X-Session;' -d '{"user": "ada"}' http://127.0.0.1:8080/sign-in
//	curl -H "X-Session: $ID" -d '{"text": "buy milk"}' http://127.0.0.1:8080/notes
//	curl -H "X-Session: $ID" http://127.0.0.1:8080/notes
//
// The ID admits any client that has it, so clients must reach a real API by TLS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/sqlite"
)

const field = "X-Session"

var config = session.Config{Header: field, OnError: answerError}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	sessions, err := config.Open("sqlite", "file:api.db")
	if err == nil {
		err = sessions.Ping(ctx) // Open does not connect
	}
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(serve(ctx, listener, newAPI(sessions)), sessions.Close()); err != nil {
		log.Fatal(err)
	}
}

// serve serves until ctx is done. Then it ends the websockets, and waits for them and for
// all other requests, because they may still store. The caller closes the factory afterwards.
func serve(ctx context.Context, listener net.Listener, a *api) error {
	defer a.sockets.Wait() // Shutdown does not wait for websockets
	srv := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	srv.RegisterOnShutdown(a.endSockets)
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(ctx)
	})
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// action is a handler of the API. If it returns an error, its changes to the session are
// discarded, and answerError answers.
type action = func(http.ResponseWriter, *http.Request, *session.Session) error

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]action{
		"POST /sign-in":  signIn,
		"POST /sign-out": signOut,
		"GET /notes":     signedIn(listNotes),
		"POST /notes":    signedIn(addNote),
		"GET /socket":    signedIn(a.socket),
	} {
		mux.HandleFunc(pattern, a.sessions.HandlerFunc(do))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header[field]) == 0 {
			r.Header.Set(field, "") // no cookies: browsers send them with requests that other sites cause
		}
		mux.ServeHTTP(w, r)
	})
}

// signedIn returns an action for users who have signed in.
func signedIn(do action) action {
	return func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if s.Subject() == "" {
			return clientError{http.StatusUnauthorized, "sign in first"}
		}
		return do(w, r, s)
	}
}

// clientError is the error of an action for what a client must do differently.
type clientError struct {
	status int
	text   string
}

func (e clientError) Error() string { return e.text }

// answerError is Config.OnError. For an error of the session it writes nothing: then the
// answer is the status that Config.OnError documents, without a body.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	if refused, ok := errors.AsType[clientError](err); ok {
		_ = writeJSON(w, refused.status, map[string]string{"error": refused.text})
		return
	}
	slog.ErrorContext(r.Context(), "a request failed", "pattern", r.Pattern, "error", err)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(v); err != nil {
		return clientError{http.StatusBadRequest, "the body is not the JSON that was expected"}
	}
	return nil
}

func signIn(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	var credentials struct{ User string }
	if err := readJSON(w, r, &credentials); err != nil {
		return err
	}
	if n := len(credentials.User); n == 0 || n > 100 { // a real API checks a password, too
		return clientError{http.StatusUnauthorized, "there is no such user"}
	}
	return s.SignIn(r.Context(), credentials.User) // the response has a new ID
}

func signOut(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
	return s.Destroy(r.Context())
}

// note is a line of the user's notes, which are kept in the session.
type note struct {
	Text string `json:"text"`
}

func addNote(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	var n note
	err := readJSON(w, r, &n)
	if err == nil {
		err = add(s, n)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, n)
}

// add is an Update, so that no note is lost if two requests add one at the same time.
func add(s *session.Session, n note) error {
	return session.Update(s, "notes", func(notes []note) []note { return append(notes, n) })
}

func listNotes(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
	notes, err := session.Get[[]note](s, "notes")
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, append([]note{}, notes...)) // [] and not null
}
