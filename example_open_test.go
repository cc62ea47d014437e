package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver/intercept"
	_ "gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
)

func Example() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := session.Update(s, "visits", func(n int) int { return n + 1 }); err != nil {
			return err
		}
		visits, err := session.Get[int](s, "visits")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, "visits:", visits)
		return err
	}))

	w := httptest.NewRecorder() // a program calls http.ListenAndServe(addr, mux)
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: visits: 1
}

// Open does not connect; Ping does.
func ExampleOpen() {
	sessions, err := session.Open("memory", "shop?max_sessions=100000")
	if err != nil {
		log.Fatal(err) // the driver is unknown, or the DSN is malformed
	}
	defer sessions.Close()
	if err := sessions.Ping(context.Background()); err != nil {
		log.Fatal(err) // the store can't serve
	}
	fmt.Println("ready")
	// Output: ready
}

func ExampleConfig_Open() {
	const day = 24 * time.Hour
	sessions, err := session.Config{
		Timeouts:  session.Timeouts{Idle: 30 * time.Minute, Lifetime: 12 * time.Hour},
		Anonymous: session.Timeouts{Idle: 30 * day, Lifetime: 90 * day, Persistent: true},
		Cookie:    session.Cookie{Name: "__Host-shop", SameSite: http.SameSiteStrictMode},
	}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	guest, err := sessions.Create(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guest.Info().Timeouts.Lifetime, guest.Cookie().Name)
	// Output: 2160h0m0s __Host-shop
}

// The application makes the store itself, for instance by sqlstore.New(db, sqlstore.SQLite)
// from a *sql.DB that is open already. Here it is in memory.
func ExampleConfig_New() {
	store := memory.New(memory.Options{MaxSessions: 100_000})
	sessions, err := session.Config{}.New(store)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close() // closes the store
	fmt.Println(sessions.Features().SubjectSessions)
	// Output: true
}

// A wrapper around a store sees each call. It can log the call, measure it, or make it fail.
func ExampleConfig_New_wrapper() {
	store := intercept.New(memory.New(memory.Options{}), func(ctx context.Context, call string, do func(context.Context) error) error {
		begin := time.Now()
		err := do(ctx)
		if took := time.Since(begin); took > time.Second {
			log.Printf("%s took %v", call, took)
		}
		fmt.Println(call, err)
		return err
	})
	sessions, err := session.Config{}.New(store)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := sessions.Create(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: Create <nil>
}

// A handler for the health checks of a load balancer.
func ExampleFactory_Ping() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	health := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := sessions.Ping(ctx); err != nil {
			http.Error(w, "the session store is down", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
	w := httptest.NewRecorder()
	health(w, httptest.NewRequest("GET", "/health", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 ok
}

// The application lists the devices of a user. Open fails with a store that can't.
func ExampleConfig_require() {
	cfg := session.Config{Require: session.Features{SubjectSessions: true}}
	for _, backend := range [][2]string{
		{"memory", ""},
		{"cookie", "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&unrevocable"},
	} {
		sessions, err := cfg.Open(backend[0], backend[1])
		if err != nil {
			fmt.Println(backend[0], "lacks something") // err says what
			continue
		}
		fmt.Println(backend[0], "has what the application needs")
		sessions.Close()
	}
	// Output:
	// memory has what the application needs
	// cookie lacks something
}

// The application works with any store. It shows a list of devices if the store can list the
// sessions of a user.
func ExampleFactory_Features() {
	sessions, err := session.Open("cookie", "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&unrevocable")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	features := sessions.Features()
	fmt.Println("list of devices:", features.SubjectSessions)
	fmt.Println("sign out all other devices:", features.DestroySubject)
	// Output:
	// list of devices: false
	// sign out all other devices: false
}

// At shutdown, streams end first, because the server waits for them. The factory is closed
// after the server, because requests under way still store their sessions.
func ExampleFactory_Close() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	closing, endStreams := context.WithCancel(context.Background()) // streams select on closing.Done()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { <-closing.Done() })
	srv := &http.Server{Addr: "localhost:8080", Handler: sessions.Handler(mux)}
	srv.RegisterOnShutdown(endStreams)
	go func() { log.Print(srv.ListenAndServe()) }()

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-interrupted.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(srv.Shutdown(ctx), sessions.Close()); err != nil {
		log.Fatal(err)
	}
}

// The package of a driver calls Register from its init function.
func ExampleRegister() {
	register := func() { session.Register("files", memory.Driver{}) } // func init() in that package
	register()
	sessions, err := session.Open("files", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}

// A server that is not net/http gets the ID by other means, such as the metadata of a gRPC
// call. It retrieves the session, stores it after the call, and sends the client its ID.
func ExampleFactory_Retrieve() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	serve := func(ctx context.Context, token string) (string, error) {
		s, err := sessions.Retrieve(ctx, session.NewID(token))
		if errors.Is(err, session.ErrNotFound) {
			s, err = sessions.Create(ctx)
		}
		if err != nil {
			return "", err
		}
		if err := session.Update(s, "calls", func(n int) int { return n + 1 }); err != nil {
			return "", err
		}
		return s.ID().Reveal(), s.Flush(ctx)
	}
	first, err := serve(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	second, err := serve(context.Background(), first)
	fmt.Println(first == second, err)
	// Output: true <nil>
}

// A handler outside of Factory.Handler creates and flushes its session, and then sets the
// cookie.
func ExampleSession_SetCookie() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	begin := func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Create(r.Context())
		if err == nil {
			err = errors.Join(s.Set("campaign", r.FormValue("campaign")), s.Flush(r.Context()))
		}
		if err != nil {
			http.Error(w, "Please try again in a minute.", http.StatusServiceUnavailable)
			return
		}
		s.SetCookie(w)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
	w := httptest.NewRecorder()
	begin(w, httptest.NewRequest("GET", "/?campaign=spring", nil))
	fmt.Println(w.Code, w.Result().Cookies()[0].Name)
	// Output: 303 __Host-session
}
