package session

import (
	"context"
	"errors"
)

// contextKey finds the session of a factory in a context, or, if f is nil, that
// of the factory whose handler is innermost.
type contextKey struct{ f *Factory }

// provider is what a context has under a contextKey.
type provider interface {
	provide(ctx context.Context) (*Session, error)
}

var errNoMiddleware = errors.New("session: there is no session in this context; wrap the handler in Factory.Handler, or use NewContext")

// FromContext returns the session of a request that [Factory.Handler] has passed
// on, or that of [NewContext]. The store is read by the first call; a request
// that never calls costs nothing. If the client has no session, it is a new one,
// which is stored once something is set.
//
// If the store fails there is an error and no session. A handler may just return
// then: [Config].OnError answers. The error is never about a session that is not
// there. Without a Handler around there is an error too.
//
// Where the handlers of several factories are nested, it is the innermost; see
// [Factory.FromContext].
func FromContext(ctx context.Context) (*Session, error) {
	return fromContext(ctx, contextKey{})
}

// FromContext is the function [FromContext] for the session of this factory, for
// programs that have several.
func (f *Factory) FromContext(ctx context.Context) (*Session, error) {
	return fromContext(ctx, contextKey{f})
}

func fromContext(ctx context.Context, key contextKey) (*Session, error) {
	p, ok := ctx.Value(key).(provider)
	if !ok {
		return nil, errNoMiddleware
	}
	return p.provide(ctx)
}

// NewContext returns a context in which [FromContext] finds s: for tests, and for
// servers that are not net/http. Whoever calls it flushes s.
func NewContext(ctx context.Context, s *Session) context.Context {
	return fixedContext{ctx, s}
}

type fixedContext struct {
	context.Context
	s *Session
}

func (c fixedContext) Value(key any) any {
	if k, ok := key.(contextKey); ok && (k.f == nil || k.f == c.s.f) {
		return c
	}
	return c.Context.Value(key)
}

func (c fixedContext) provide(context.Context) (*Session, error) { return c.s, nil }
