package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/explore"
)

// The tests of this package run requests against each other, in every order of their store calls,
// and check the answers and the sessions that are left at the end.

// fleet is a group of processes that share one backend.
type fleet struct {
	*explore.Execution
	config    session.Config
	place     func(request int) int
	store     driver.Store     // with gates
	outside   *session.Factory // used outside of requests, where calls pass at once
	backend   driver.Store
	processes map[int]*session.Factory
	answers   []*answer
	ids       countedIDs

	mu     sync.Mutex // guards passed
	passed time.Duration
}

func newFleet(x *explore.Execution, c session.Config, b backend, place func(int) int) *fleet {
	fl := &fleet{Execution: x, place: place, processes: map[int]*session.Factory{}}
	fl.backend = b.open(fl.now)
	fl.store = x.Store(fl.backend, b.traits)
	if b.around != nil {
		fl.store = b.around(fl.store)
	}
	c.Now = fl.now
	c.IDs = &fl.ids
	c.SweepInterval = -1
	c.StoreTimeout = 5 * time.Minute // calls wait at their gates
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	fl.config = c
	fl.outside = fl.factory()
	return fl
}

func (fl *fleet) factory() *session.Factory {
	f, err := fl.config.New(fl.store)
	if err != nil {
		panic(err)
	}
	return f
}

// process returns the factory of the process in which the next request runs.
func (fl *fleet) process(request int) *session.Factory {
	p := fl.place(request)
	if fl.processes[p] == nil {
		fl.processes[p] = fl.factory()
	}
	return fl.processes[p]
}

// now is the clock of all processes and of the backend.
func (fl *fleet) now() time.Time {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return time.Now().Add(fl.passed)
}

// pass lets time pass at once.
func (fl *fleet) pass(d time.Duration) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.passed += d
}

// countedIDs generates IDs by counting, so that executions can be repeated.
type countedIDs struct {
	mu sync.Mutex // guards n
	n  int
}

func (ids *countedIDs) GenerateID() (session.ID, error) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.n++
	return session.NewID(fmt.Sprintf("%032d", ids.n)), nil
}

func (ids *countedIDs) ValidateID(id session.ID) bool { return len(id.Reveal()) == 32 }

// answer is the answer to a request. It is valid if the request has ended.
type answer struct {
	*explore.Request
	status  int
	cookie  string // the ID that the client got, or ""
	cleared bool   // the client has to delete its cookie
	err     error  // from the handler's work
}

// ok reports whether the client got an answer of success.
func (a *answer) ok() bool { return a.Ended() && a.status == http.StatusOK && a.err == nil }

// request sends a request with the given session cookie, or without one if it is "". The handler
// calls work and answers 200, or 409 if work fails.
func (fl *fleet) request(cookie string, work func(context.Context, *session.Session) error) *answer {
	a := &answer{}
	f := fl.process(len(fl.answers))
	h := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			a.err = err
			return // Config.OnError writes the answer
		}
		if a.err = work(r.Context(), s); a.err != nil {
			w.WriteHeader(http.StatusConflict)
			return
		}
		_, _ = io.WriteString(w, "welcome")
	}))
	a.Request = fl.Go(fl.place(len(fl.answers)), func(ctx context.Context) {
		r := httptest.NewRequestWithContext(ctx, "GET", "https://example.com/", nil)
		if cookie != "" {
			r.Header.Set("Cookie", "__Host-session="+cookie)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		a.status = w.Code
		if c := cookieOf(w); c != nil {
			a.cookie, a.cleared = c.Value, c.MaxAge < 0
		}
	})
	fl.answers = append(fl.answers, a)
	return a
}

// do calls work in a process, outside of an HTTP request.
func (fl *fleet) do(work func(context.Context, *session.Factory) error) *answer {
	a := &answer{status: http.StatusOK}
	f := fl.process(len(fl.answers))
	a.Request = fl.Go(fl.place(len(fl.answers)), func(ctx context.Context) { a.err = work(ctx, f) })
	fl.answers = append(fl.answers, a)
	return a
}

// timePasses lets time pass between any two calls of the requests.
func (fl *fleet) timePasses(d time.Duration) {
	fl.Go(-1, func(ctx context.Context) {
		_ = fl.Step(ctx, explore.Call{Name: "time passes", Writes: true}, func(context.Context) error {
			fl.pass(d)
			return nil
		})
	})
}

// stored stores a session with the given values and, if subject is not "", a subject, and returns
// its ID.
func (fl *fleet) stored(subject string, values map[string]string) string {
	ctx := context.Background()
	s, err := fl.outside.Create(ctx)
	for name, value := range values {
		err = errors.Join(err, s.Set(name, value))
	}
	if subject != "" {
		err = errors.Join(err, s.SignIn(ctx, subject))
	}
	if err = errors.Join(err, s.Flush(ctx)); err != nil {
		panic(err)
	}
	fl.pass(time.Second)
	return s.ID().Reveal()
}

// cookieOf returns the session cookie that a response sets, or nil.
func cookieOf(w *httptest.ResponseRecorder) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-session" {
			return c
		}
	}
	return nil
}
