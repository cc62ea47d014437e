package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"

	"gosession.dev/session/internal/header"
)

// contextKey is the key of a factory's session in a context. If f is nil, it is the session of
// the innermost handler, whatever its factory.
type contextKey struct{ f *Factory }

// provider is the value under a contextKey.
type provider interface {
	provide(ctx context.Context) (*Session, error)
}

var errNoMiddleware = errors.New("session: there is no session in this context; wrap the handler in Factory.Handler, or use NewContext")

// FromContext returns the session of a request that [Factory.Handler] serves, or the session
// given to [NewContext]. ctx is the context of the request. The first call of a request reads
// the store; a request without a call costs nothing. If the client has no session,
// FromContext returns a new one, which is stored when it has content: a value, a user, or
// timeouts of its own.
//
// If the store fails, FromContext returns an error and no session. The handler may just
// return: then [Config].OnError answers. A session that does not exist or can't be decoded is
// no error.
//
// If ctx ends before the store has answered, FromContext returns the error of ctx. Reading
// goes on under the context of the request, for later calls and for the response, which
// waits for it.
//
// If there is neither a Handler nor a NewContext, FromContext returns an error. A handler that
// returns then sends an empty page, so FromContext also logs the error by [slog.Default], once
// for each line that calls it.
//
// A goroutine that outlives the request may keep the session. It has to call [Session.Flush],
// because the Handler has returned, and it can't change the ID; see [ErrHeaderSent].
//
// If handlers of several factories are nested, FromContext returns the session of the
// innermost one; see [Factory.FromContext].
func FromContext(ctx context.Context) (*Session, error) {
	return fromContext(ctx, contextKey{}, slog.Default)
}

// FromContext is like the function [FromContext], and returns the session of this factory,
// for programs that have several. It logs by [Config].Logger.
func (f *Factory) FromContext(ctx context.Context) (*Session, error) {
	return fromContext(ctx, contextKey{f}, func() *slog.Logger { return f.cfg.Logger })
}

func fromContext(ctx context.Context, key contextKey, logger func() *slog.Logger) (*Session, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	p, ok := ctx.Value(key).(provider)
	if !ok {
		logNoMiddleware(ctx, logger())
		return nil, errNoMiddleware
	}
	return p.provide(ctx)
}

// place is a line of the application that calls FromContext.
type place struct {
	file string
	line int
}

// withoutMiddleware has the places where FromContext found no Handler. It belongs to no
// factory, because the program may have none.
var withoutMiddleware sync.Map

// logNoMiddleware logs, once for each line, that FromContext was called without a Handler.
func logNoMiddleware(ctx context.Context, logger *slog.Logger) {
	const fromContextCaller = 3
	pc, file, line, _ := runtime.Caller(fromContextCaller)
	if _, known := withoutMiddleware.LoadOrStore(place{file, line}, nil); known {
		return
	}
	caller := ""
	if f := runtime.FuncForPC(pc); f != nil {
		caller = f.Name()
	}
	logger.ErrorContext(ctx, errNoMiddleware.Error(), "caller", caller, "file", file, "line", line)
}

var (
	errNilContext = errors.New("session: FromContext: the context is nil; pass the context of the request")
	errNilSession = errors.New("session: NewContext was given a nil session; check the error of the call that returned it")
)

// NewContext returns a context in which [FromContext] finds s. It is for tests, and for
// servers other than net/http. The caller has to flush s. If s is nil, FromContext returns an
// error. If ctx is nil, it is [context.Background].
func NewContext(ctx context.Context, s *Session) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	return fixedContext{ctx, s}
}

type fixedContext struct {
	context.Context
	s *Session
}

func (c fixedContext) Value(key any) any {
	if k, ok := key.(contextKey); ok && (k.f == nil || c.s.isNil() || k.f == c.s.f) {
		return c
	}
	return c.Context.Value(key)
}

func (c fixedContext) provide(context.Context) (*Session, error) {
	if c.s.isNil() {
		return nil, errNilSession
	}
	return c.s, nil
}

// isNil reports whether s is nil, or was not made by a Factory.
func (s *Session) isNil() bool { return s == nil || s.veil == nil }

// The handlers of several factories may be nested. Each has a cookie of its own. If an inner
// one has set its cookie and an outer one then fails, the client still has to get that cookie.

// exchangeKey is the key of the innermost handler's exchange in a context. A [NewContext] does
// not hide it.
type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// clash returns an error if x is inside of a handler of another factory whose cookie or header
// field has the same name. Each factory would take the IDs of the other for its own, and
// replace its cookies. Different Domains or Paths do not help, because a browser sends both
// cookies.
func (x *exchange) clash() error {
	own := &x.f.cfg
	for outer := x.outer; outer != nil; outer = outer.outer {
		switch other := &outer.f.cfg; {
		case other.Cookie.Name == own.Cookie.Name:
			return fmt.Errorf("session: the handlers of two factories are nested, and both have a cookie named %q, so that each would sign the other's users out; give one another Config.Cookie.Name", own.Cookie.Name)
		case own.Header != "" && other.Header == own.Header:
			return fmt.Errorf("session: the handlers of two factories are nested, and both have the header field %q, so that each would sign the other's users out; give one another Config.Header", own.Header)
		}
	}
	return nil
}

// tellOutside tells the handlers outside of x of a line that x has put into the header.
func (x *exchange) tellOutside(news header.Line) {
	for outer := x.outer; outer != nil; outer = outer.outer {
		outer.mu.Lock() // behind an http.TimeoutHandler that has timed out, x runs in another goroutine
		outer.inside = append(outer.inside, news)
		outer.mu.Unlock()
	}
}

// linesInside returns the lines that handlers inside of x have put into h and that are still
// there.
func (x *exchange) linesInside(h http.Header) []header.Line {
	x.mu.Lock()
	defer x.mu.Unlock()
	var lines []header.Line
	for _, line := range x.inside {
		if line.IsIn(h) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
