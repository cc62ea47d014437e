package session

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"gosession.dev/session/internal/handback"
	"gosession.dev/session/internal/header"
)

// Handler returns a handler that calls next with a request in whose context [FromContext]
// finds the session. Before the first byte of the response header leaves, Handler stores the
// changes of next and sets the cookie. If that fails, [Config].OnError answers instead.
// Changes that next makes later are stored when it returns. If next panics, nothing more is
// stored.
//
// If the session's ID changes while a request with the old ID is in flight, the changes of
// that request are dropped and its response sets no cookie, so that the client keeps the
// new one; see [Session.Overtaken].
//
// When the session has got a new ID, every response to the request sets the cookie, whether next
// writes it, Config.OnError, or a handler outside that recovers from a panic. Two kinds of code
// need care. An [http.TimeoutHandler] drops the header of the response that it cuts off, so put it
// inside of this handler. A library that writes the response to a hijacked connection by itself
// needs the header, as in upgrader.Upgrade(w, r, w.Header()).
//
// If the client goes away before the header leaves, it can't learn of a new ID, so no session
// is created for it, and no ID is changed. Other changes are stored.
//
// The header of the response to which OnError writes is as it was when the request came in.
// What next has set is dropped, except for the cookies of sessions that are stored.
//
// Responses that depend on the session get "Vary: Cookie", and responses that set the cookie
// get "Cache-Control: no-store".
//
// If the request has the field [Config].Header, the response sets that field instead of the cookie,
// and all that this comment says of the cookie applies to the field. The ID is read from the header
// as the request comes in; a middleware that is to change it has to be outside.
//
// Handlers of several factories may be nested if their cookies have different names, and their
// Config.Header too. Otherwise the inner one answers all requests with an error, by its OnError.
// A handler inside of another one of the same factory only calls next.
//
// When next returns, Handler copies to the request that handlers outside have: the pattern and
// the path values that an [http.ServeMux] inside has set, and a parsed form, whose temporary
// files it removes.
func (f *Factory) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("session: Handler of a nil http.Handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(contextKey{f}) != nil {
			next.ServeHTTP(w, r) // the same factory is outside
			return
		}
		x := f.newExchange(w, r)
		x.r = r.WithContext(x)
		if err := x.clash(); err != nil {
			x.out.fail(err)
			return
		}
		returned := false
		defer func() {
			if !returned {
				x.panicked()
			}
			x.out.end()
			handback.Copy(r, x.r)
		}()
		next.ServeHTTP(&x.out, x.r)
		x.finish()
		returned = true
	})
}

// HandlerFunc returns a handler that calls fn with the session of the request. If fn returns
// an error, the changes that are not stored yet are dropped, as by [Session.Discard], and
// [Config].OnError answers. If the session can't be read, fn is not called, and OnError
// answers. If fn panics, the changes are dropped.
//
// HandlerFunc includes [Factory.Handler]. Inside of another Handler of the same factory it uses
// the session of that one.
//
// Changes are stored before the first byte of the response leaves. If fn returns an error after it
// has begun to write, what OnError writes is dropped, and changes that are stored already stay
// stored. So write the page when nothing can fail any more, for instance from a buffer. The page
// of OnError has the header that the response had before fn, and the cookie if the ID has changed
// already.
//
// After [Session.Destroy], s has ended; [FromContext] returns the new session, for instance for a
// message on the next page.
//
// An [http.TimeoutHandler] between Handler and HandlerFunc may answer while fn still runs: then
// the changes that fn has made by that time are stored.
func (f *Factory) HandlerFunc(fn func(w http.ResponseWriter, r *http.Request, s *Session) error) http.HandlerFunc {
	if fn == nil {
		panic("session: HandlerFunc of a nil function")
	}
	return f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, answer := header.SnapshotOf(w.Header()), &answer{ResponseWriter: w}
		s, err := f.FromContext(r.Context())
		if err == nil {
			err = f.orDiscard(r, s, func() error { return fn(answer, r, s) })
		}
		if err != nil {
			f.answerFailed(answer, r, before, err)
		}
	})).ServeHTTP
}

// orDiscard calls fn, and discards its changes if it returns an error or panics.
func (f *Factory) orDiscard(r *http.Request, s *Session, fn func() error) (err error) {
	failed := true
	defer func() {
		if failed {
			f.discard(r, s)
		}
	}()
	err = fn()
	failed = err != nil
	return err
}

// discard discards the changes of s, and, if s was destroyed, those of the new session that
// the request has then.
func (f *Factory) discard(r *http.Request, s *Session) {
	s.Discard()
	if x, _ := r.Context().Value(contextKey{f}).(*exchange); x != nil {
		if now, _ := x.loaded(); now != nil && now != s {
			now.Discard()
		}
	}
}

// answerFailed calls OnError, whose page is dropped if the response has begun. The page goes
// through w, because middleware of the application between Handler and HandlerFunc may record
// the status, or compress the page.
func (f *Factory) answerFailed(w *answer, r *http.Request, before header.Snapshot, err error) {
	x, _ := r.Context().Value(contextKey{f}).(*exchange) // nil below a NewContext
	report := func(w http.ResponseWriter) { f.cfg.OnError(w, r, err) }
	if x != nil {
		report = func(w http.ResponseWriter) { x.report(w, err) }
	}
	if w.begun() || x != nil && x.hasSentHeader() {
		report(silent{})
		return
	}
	h := w.Header()
	var inside []header.Line
	if x != nil {
		x.giveUp()
		inside = x.linesInside(h)
	}
	f.newPage(h, before, inside)
	report(w)
	if !w.wrote {
		w.WriteHeader(statusOf(err))
	}
}

// answer is a ResponseWriter that notes whether the response has begun.
type answer struct {
	http.ResponseWriter
	wrote bool
}

func (w *answer) begun() bool {
	switch out := w.ResponseWriter.(type) {
	case *response:
		return w.wrote || out.begun
	case *answer: // a HandlerFunc inside of another
		return w.wrote || out.begun()
	}
	return w.wrote
}

func (w *answer) WriteHeader(status int) {
	if status < 100 || status >= 200 || status == http.StatusSwitchingProtocols {
		w.wrote = true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answer) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the connection send files with sendfile.
func (w *answer) ReadFrom(src io.Reader) (int64, error) {
	return copyTo(w, w.ResponseWriter, src)
}

// FlushError is for http.ResponseController.
func (w *answer) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.wrote = w.wrote || err == nil
	return err
}

// Flush implements http.Flusher.
func (w *answer) Flush() { _ = w.FlushError() }

// Hijack implements http.Hijacker.
func (w *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.wrote = w.wrote || err == nil
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answerError is the default Config.OnError.
func (f *Factory) answerError(w http.ResponseWriter, r *http.Request, err error) {
	if !isCanceledBy(r, err) {
		f.cfg.Logger.ErrorContext(r.Context(), "session: a request failed", "error", err, "method", r.Method, "pattern", r.Pattern)
	}
	status := statusOf(err)
	http.Error(w, http.StatusText(status), status)
}

// isCanceledBy reports whether err is the cancellation of r by its client.
func isCanceledBy(r *http.Request, err error) bool {
	return errors.Is(r.Context().Err(), context.Canceled) && errors.Is(err, context.Canceled)
}

// statusOf returns the status with which the default Config.OnError answers err.
func statusOf(err error) int {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case is(ErrUnavailable, ErrSealed, ErrConflict, context.DeadlineExceeded): // a later request may succeed
		return http.StatusServiceUnavailable
	case is(ErrNotRecent, ErrTooManySessions, ErrStaleSignIn, ErrNotFound):
		return http.StatusForbidden
	case is(ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}
