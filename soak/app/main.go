// Command app is one process of the web application that the soak test uses. It serves a
// counter, a cart, and pages to sign in and out. It answers 409 to requests that a sign-in has
// overtaken; otherwise it leaves to package session what the soak test checks.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/goleak"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/migrate"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/mysql"
	_ "gosession.dev/session/drivers/postgres"
	_ "gosession.dev/session/drivers/redis"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/internal/registry"
	"gosession.dev/session/soak/wire"
)

func main() {
	log.SetFlags(0)
	address := flag.String("listen", "127.0.0.1:0", "address to listen at")
	driverName := flag.String("driver", "memory", "driver of the sessions; SOAK_DSN has the DSN")
	fault := flag.String("fault", "", "fault to plant, to see that the soak test finds it: "+faultNames())
	flag.Parse()
	// Without this, a write beyond the limit for files would end the process. Now it is an error.
	signal.Ignore(syscall.SIGXFSZ)
	if err := serve(*address, *driverName, os.Getenv("SOAK_DSN"), *fault); err != nil {
		log.Fatal(err)
	}
}

// storeTimeout is shorter than the default, so that calls time out during short faults.
const storeTimeout = 2 * time.Second

// serve serves until SIGTERM, and then writes what is left open to standard output.
func serve(address, driverName, dsn, fault string) error {
	sockets, files := descriptors()
	store, err := registry.Open(driverName, dsn)
	if err != nil {
		return err
	}
	sessions, err := session.Config{
		StoreTimeout:  storeTimeout,
		SweepInterval: 5 * time.Second,
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
		OnError:       answerError,
	}.New(broken(store, fault))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", stats)
	mux.HandleFunc("POST /limit", limit)
	mux.Handle("/", sessions.Handler(routes(fault)))
	server := &http.Server{Handler: mux}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-stop:
	}
	signal.Stop(stop)
	return shutDown(server, sessions, sockets, files)
}

// shutDown closes what serve has opened, and writes what is left open. sockets and files are
// the counts from before serve.
func shutDown(server *http.Server, sessions *session.Factory, sockets, files int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left := wire.Stopped{}
	if err := errors.Join(server.Shutdown(ctx), sessions.Close()); err != nil {
		left.Error = err.Error()
	}
	if err := goleak.Find(); err != nil {
		left.Goroutines = err.Error()
	}
	left.Sockets, left.Files = descriptors()
	left.Sockets -= sockets
	left.Files -= files
	return json.NewEncoder(os.Stdout).Encode(left)
}

// action does what a request asks for, and returns what the session then contains.
type action func(*session.Session, *http.Request) (wire.View, error)

// routes returns the pages of the application, with the fault if it is one of the pages.
func routes(fault string) http.Handler {
	signIn := write(login)
	if fault == welcomes {
		signIn = welcome(signIn)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page(current(func(s *session.Session, _ *http.Request) (wire.View, error) { return look(s) })))
	mux.HandleFunc("POST /add", page(current(write(add))))
	mux.HandleFunc("POST /cart", page(current(write(cart))))
	mux.HandleFunc("POST /login", page(signIn))
	mux.HandleFunc("POST /logout", page(logout))
	mux.HandleFunc("POST /others", page(endOthers))
	return mux
}

// page serves the result of an action as JSON.
func page(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			return // OnError has answered
		}
		v, err := do(s, r)
		if err != nil {
			log.Print(err)
			w.WriteHeader(statusOf(err)) // stores the changes that are not stored yet
			v, _ = look(s)
		}
		_ = json.NewEncoder(w).Encode(v) // an error means that OnError has answered, or that the client has gone
	}
}

// errOvertaken rejects a request with an ID that another request has changed.
var errOvertaken = errors.New("the session was given another ID meanwhile")

// current rejects requests that a sign-in has overtaken.
func current(do action) action {
	return func(s *session.Session, r *http.Request) (wire.View, error) {
		if s.Overtaken() {
			return wire.View{}, errOvertaken
		}
		return do(s, r)
	}
}

// statusOf returns the status for an error.
func statusOf(err error) int {
	switch {
	case errors.Is(err, errOvertaken):
		return http.StatusConflict
	case errors.Is(err, session.ErrUnavailable):
		return http.StatusServiceUnavailable
	case errors.Is(err, session.ErrStaleSignIn), errors.Is(err, session.ErrNotFound): // from a sign-in
		return http.StatusForbidden
	}
	return http.StatusServiceUnavailable
}

func answerError(w http.ResponseWriter, _ *http.Request, err error) {
	log.Print(err)
	w.WriteHeader(statusOf(err))
}

// look returns what the session contains. A session that a sign-in has begun has the name that
// the sign-in gave it.
func look(s *session.Session) (wire.View, error) {
	v := wire.View{Carts: map[string]int{}}
	signIn := ""
	var err error
	for _, name := range s.Names() {
		switch {
		case name == "born":
			v.Born, err = session.Get[string](s, name)
		case name == "user":
			v.User, err = session.Get[string](s, name)
		case name == "sign-in":
			signIn, err = session.Get[string](s, name)
		case name == "n":
			v.N, err = session.Get[int](s, name)
		default:
			v.Carts[name], err = session.Get[int](s, name)
		}
		if err != nil {
			return wire.View{}, err
		}
	}
	v.Born = cmp.Or(v.Born, signIn)
	return v, nil
}

// write names a new session before do runs. It reads the body after the session was loaded, so
// that a slow client delays the request between the read and the write of the session.
func write(do func(*session.Session, *http.Request) error) action {
	return func(s *session.Session, r *http.Request) (wire.View, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		if !s.Has("born") && !s.Has("sign-in") {
			if err := s.Set("born", r.FormValue("born")); err != nil {
				return wire.View{}, err
			}
		}
		if err := do(s, r); err != nil {
			return wire.View{}, err
		}
		return look(s)
	}
}

func add(s *session.Session, _ *http.Request) error {
	return session.Update(s, "n", func(n int) int { return n + 1 })
}

func cart(s *session.Session, r *http.Request) error {
	seq, err := strconv.Atoi(r.FormValue("seq"))
	if err != nil {
		return err
	}
	return s.Set("cart"+r.FormValue("tab"), seq)
}

func login(s *session.Session, r *http.Request) error {
	idle, err := time.ParseDuration(r.FormValue("idle"))
	if err != nil {
		return err
	}
	if err := s.SignIn(r.Context(), r.FormValue("user")); err != nil {
		return err
	}
	if !s.Has("sign-in") {
		if err := s.Set("sign-in", r.FormValue("born")); err != nil {
			return err
		}
	}
	return errors.Join(
		s.Set("user", r.FormValue("user")),
		s.SetTimeouts(session.Timeouts{Idle: idle, Lifetime: session.DefaultLifetime}),
		s.Flush(r.Context()),
	)
}

func logout(s *session.Session, r *http.Request) (wire.View, error) {
	v, err := look(s)
	if err != nil {
		return wire.View{}, err
	}
	return v, s.Destroy(r.Context())
}

func endOthers(s *session.Session, r *http.Request) (wire.View, error) {
	v, err := look(s)
	if err != nil || v.User == "" {
		return v, err
	}
	return v, s.DestroyOthers(r.Context())
}
