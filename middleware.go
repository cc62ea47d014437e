package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
)

// ErrorHandler is the type of [Config].OnError. It is called at most once per
// request, when the session of r can't be read or stored, and answers through w.
// If the response has begun already, or the handler answers by itself, what it
// writes to w goes nowhere. If it writes nothing, the answer is 503.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

// answerError is the default ErrorHandler.
func answerError(logger *slog.Logger) ErrorHandler {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if r.Context().Err() == nil { // else the client went away, which is no news
			logger.ErrorContext(r.Context(), "session: a request failed", "error", err, "method", r.Method, "pattern", r.Pattern)
		}
		status := http.StatusServiceUnavailable
		switch {
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrHeaderSent):
			status = http.StatusInternalServerError // trying again would not help
		case errors.Is(err, ErrTooManySessions):
			status = http.StatusForbidden
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
// A request that a change of the ID overtakes changes nothing and sets no cookie,
// be it served by this process before or after; by another process of a fleet,
// before.
//
// Responses that depend on the session get "Vary: Cookie", and those that set the
// cookie "Cache-Control: no-store".
func (f *Factory) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(contextKey{f}) != nil {
			next.ServeHTTP(w, r) // wrapped twice
			return
		}
		x := &exchange{Context: r.Context(), f: f}
		x.out = response{x: x, inner: w}
		x.r = r.WithContext(x)
		next.ServeHTTP(&x.out, x.r)
		x.finish()
	})
}

// exchange is a request and its response, as far as the session goes. It is the
// context of the request too, so that a request without a session costs little.
type exchange struct {
	context.Context

	f   *Factory
	r   *http.Request // as next has it
	out response

	mu         sync.Mutex    // guards what follows
	loading    chan struct{} // nil until somebody asks; closed when what follows is known
	session    *Session
	err        error
	known      clientState // what the client is known to have learned
	forget     bool        // the client has to forget its cookie
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

// loaded returns the outcome of load, or nothing if nobody has asked. After
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
		x.forget = x.known.id != ""
		x.session = x.f.newSession()
		x.session.headerSent = x.headerSent
	}
	return x.session, x.err
}

// load finds the session of the request's cookies.
func (x *exchange) load() {
	defer close(x.loading)
	s, err := x.find(x.Context)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.session, x.err = s, err
	if s != nil {
		s.setHeaderSent(x.headerSent)
		x.known, _ = s.clientState()
	}
}

// maxCookies is how many cookies of our name are looked up: a browser sends
// several if they were set for several paths or domains, an attacker any number.
const maxCookies = 4

// find returns the first session that a cookie of the request names, or a new one.
func (x *exchange) find(ctx context.Context) (*Session, error) {
	wellFormed, malformed, overtaken := 0, false, false
	for value := range cookieValues(x.r.Header, x.f.cfg.Cookie.Name) {
		id := ID(value)
		if !x.f.isWellFormed(id) {
			malformed = true
			continue
		}
		if wellFormed++; wellFormed > maxCookies {
			break
		}
		s, err := x.f.retrieve(ctx, id)
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, ErrNotFound):
			// Not cleared: it may be the old ID of a session that another request
			// is giving a new one, and clearing would delete the new cookie.
			overtaken = overtaken || x.f.renamed.has(id.Key())
		case errors.Is(err, ErrCorrupt):
			x.f.cfg.Logger.WarnContext(ctx, "session: a session can't be decoded; going on without it", "key", id.Key(), "error", err)
		default:
			return nil, wrap("retrieve", err)
		}
	}
	x.mu.Lock()
	x.forget = malformed && wellFormed == 0
	x.mu.Unlock()
	if overtaken {
		return x.f.newOvertaken(), nil
	}
	return x.f.newSession(), nil
}

// commit stores the session and completes the header. It is called once, before
// the header leaves.
func (x *exchange) commit() error {
	s, err := x.loaded()
	switch {
	case err != nil:
		x.report(silent{}, err) // next knows, and answers by itself
	case s != nil:
		if err := x.flush(s); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headerSent = true
	if x.loading == nil {
		return nil
	}
	varyByCookie(x.out.inner.Header())
	if s != nil {
		x.completeHeaderLocked(s)
	}
	return nil
}

// completeHeaderLocked sets the cookie if the client does not have it yet.
func (x *exchange) completeHeaderLocked(s *Session) {
	s.setHeaderSent(true)
	now, phase := s.clientState()
	switch {
	case phase == live && now != x.known:
		x.known = now
		x.f.SetCookie(x.out.inner, s)
		x.hintAtLoopback()
	case phase == fresh && x.forget:
		sendCookie(x.out.inner.Header(), x.f.expiredCookie())
	}
}

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
	case s != nil:
		if err := x.flush(s); err != nil {
			x.report(silent{}, err)
		}
	}
}

// flush stores s even if the client has gone away. What comes too late for a session
// that has ended is dropped without a word.
func (x *exchange) flush(s *Session) error {
	if s.isSettled() {
		return nil
	}
	err := s.write(context.WithoutCancel(x.Context))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return wrap("flush", err)
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

func (s *Session) setHeaderSent(sent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headerSent = sent
}

func (s *Session) isDestroyed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == destroyed
}
