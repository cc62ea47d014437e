package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// ErrorHandler is the type of [Config].OnError. It is called at most once per
// request, when the session of r can't be read or stored, and answers through w. The
// error matches [ErrUnavailable] or [ErrSealed] if that is no fault of the request, and
// [ErrStaleSignIn], [ErrTooManySessions] or [ErrNotFound] if a sign-in was refused.
// If the response has begun already, or the handler answers by itself, what it
// writes to w goes nowhere. If it writes nothing, the answer is 503.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

// answerError is the default ErrorHandler.
func answerError(logger *slog.Logger) ErrorHandler {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if r.Context().Err() == nil { // otherwise the client has gone away, which needs no log line
			logger.ErrorContext(r.Context(), "session: a request failed", "error", err, "method", r.Method, "pattern", r.Pattern)
		}
		status := http.StatusServiceUnavailable
		switch {
		case errors.Is(err, ErrUnavailable):
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrHeaderSent):
			status = http.StatusInternalServerError // trying again would not help
		case errors.Is(err, ErrTooManySessions), errors.Is(err, ErrStaleSignIn), errors.Is(err, ErrNotFound):
			status = http.StatusForbidden // of a sign-in
		}
		http.Error(w, http.StatusText(status), status)
	}
}

// Handler serves requests by next, in whose context [FromContext] finds the
// session. What next has changed is stored, and the cookie set, before the first
// byte of the header leaves, whatever makes it leave; if that fails, the answer is
// that of [Config].OnError instead. What is set later is stored when next returns.
// A panic of next stores nothing more.
//
// If the session's ID changes while a request with the old ID is under way, the changes
// of that request are dropped and it sets no cookie, so that the client keeps the new
// one; see [Session.Overtaken].
//
// When a session has got a new ID the cookie goes out with whatever answer the client
// gets: of next, of Config.OnError, of a handler outside that recovers from a panic. An
// [http.TimeoutHandler] has to stand inside of this handler, because it drops the header
// of what it cuts off; and a library that answers for a hijacked connection by itself has
// to be given the header, as in upgrader.Upgrade(w, r, w.Header()).
//
// If the client has gone away before the header leaves, no session is created and no ID
// changed for it, because it could not learn of it. Changes that keep the ID are stored.
//
// Responses that depend on the session get "Vary: Cookie", and those that set the
// cookie "Cache-Control: no-store".
func (f *Factory) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(contextKey{f}) != nil {
			next.ServeHTTP(w, r) // wrapped twice
			return
		}
		x := &exchange{Context: r.Context(), f: f, arrived: uptime()}
		x.out = response{x: x, inner: w}
		x.r = r.WithContext(x)
		returned := false
		defer func() {
			if !returned {
				x.panicked()
			}
		}()
		next.ServeHTTP(&x.out, x.r)
		x.finish()
		returned = true
	})
}

// exchange is a request and its response, as far as the session goes. It is the
// context of the request too, so that a request without a session costs little.
type exchange struct {
	context.Context

	f       *Factory
	r       *http.Request // as next has it
	out     response
	arrived time.Duration // the uptime at which the header of the request did

	mu         sync.Mutex    // guards what follows
	loading    chan struct{} // nil until the session is asked for; closed when what follows is known
	session    *Session
	err        error
	forget     bool // the client has to forget its cookie
	headerSent bool
	reported   bool
}

func (x *exchange) Value(key any) any {
	if k, ok := key.(contextKey); ok && (k.f == nil || k.f == x.f) {
		return x
	}
	return x.Context.Value(key)
}

// Format keeps the request's cookies and the ID out of a context, or a
// ResponseWriter, that is printed.
func (x *exchange) Format(f fmt.State, _ rune) { io.WriteString(f, "session.Factory.Handler") }

// provide reads the session when it is called first, under the context of the
// request: a shorter deadline of this caller must not fail the others.
func (x *exchange) provide(ctx context.Context) (*Session, error) {
	x.mu.Lock()
	loading := x.loading
	if loading == nil {
		x.loading = make(chan struct{})
		x.mu.Unlock()
		x.load()
		return x.loaded()
	}
	x.mu.Unlock()
	select {
	case <-loading:
		return x.loaded()
	case <-ctx.Done():
		return nil, wrap("retrieve", ctx.Err())
	}
}

// loaded returns the outcome of load, or nothing if the session was not asked for. After
// Destroy it is a new session.
func (x *exchange) loaded() (*Session, error) {
	x.mu.Lock()
	loading := x.loading
	x.mu.Unlock()
	if loading == nil {
		return nil, nil
	}
	<-loading
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.session != nil && x.session.isDestroyed() {
		x.replaceDestroyedLocked()
	}
	return x.session, x.err
}

// replaceDestroyedLocked puts a new session in the place of one that Destroy has ended.
// After that of an overtaken request the client may have yet another cookie by now, so the
// new session is overtaken too.
func (x *exchange) replaceDestroyedLocked() {
	s := x.f.newSession()
	switch {
	case x.session.Overtaken():
		s.phase = overtaken
	case x.session.wasKnown():
		x.forget = true
	}
	s.belongTo(x, x.headerSent)
	x.session = s
}

var errPanicked = errors.New("the store has panicked")

// load finds the session of the request's cookies.
func (x *exchange) load() {
	var s *Session
	err := errPanicked
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.session, x.err = s, wrap("retrieve", err); s != nil {
			s.belongTo(x, x.headerSent)
		}
		close(x.loading)
	}()
	s, err = x.find(x.Context)
}

// gone implements client.
func (x *exchange) gone() error { return x.Context.Err() }

// finish ends a request whose handler has returned.
func (x *exchange) finish() {
	s, err := x.loaded()
	switch {
	case !x.out.begun && err != nil:
		x.out.fail(err)
	case !x.out.begun:
		x.out.begin()
	case x.out.failed != nil:
		// OnError has answered; nothing may be stored that the client can't know of.
	case err != nil:
		x.report(silent{}, err)
	case s != nil && !s.isSettled():
		if err := x.flush(s, func() {}); err != nil {
			x.report(silent{}, err)
		}
	}
}

// flush stores s even if the client has gone away, and calls then, whatever the outcome,
// while nothing else can be stored. What comes too late, for a session that has ended or
// for a client that has gone away, is dropped without a word, but for a sign-in. A client
// whose request has a deadline is still there after it.
func (x *exchange) flush(s *Session, then func()) error {
	ctx := context.WithoutCancel(x.Context)
	return wrap("flush", s.exclusively(ctx, func() error {
		defer then()
		signsIn := s.signsIn()
		err := s.writeExclusively(ctx)
		if err != nil && s.isUnsure() { // the last chance to tell the client its new ID
			err = s.writeExclusively(ctx)
		}
		tooLate := isGone(err) || isClientGone(err) && errors.Is(err, context.Canceled)
		if tooLate && !signsIn {
			return nil
		}
		return err
	}))
}

// report tells OnError, if it was not told before.
func (x *exchange) report(w http.ResponseWriter, err error) {
	x.mu.Lock()
	first := !x.reported
	x.reported = true
	x.mu.Unlock()
	if first {
		x.f.cfg.OnError(w, x.r, err)
	}
}

func (s *Session) isDestroyed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == destroyed
}
