package sqlstore

import (
	"context"
	"time"
)

// Package database/sql starts a goroutine for each query whose context can end, which takes a fifth
// of the time of a query in a local network. With Options.CallContexts, a store hides from
// database/sql that a context can end. It waits for a free connection itself, and the connections
// take the context from CallContext.

// CallContext returns the context of the call in which a store with [Options].CallContexts uses a
// connection; ctx is the context that a method of the connection, a [database/sql/driver.Conn], was
// called with. If another caller uses the connection, CallContext returns ctx.
func CallContext(ctx context.Context) context.Context {
	if call, ok := ctx.Value(callKey{}).(context.Context); ok {
		return call
	}
	return ctx
}

type callKey struct{}

// hidden is a context that does not end. CallContext returns the context in it.
type hidden struct{ context.Context }

func (hidden) Done() <-chan struct{} { return nil }

func (hidden) Err() error { return nil }

func (hidden) Deadline() (time.Time, bool) { return time.Time{}, false }

func (h hidden) Value(key any) any {
	if key == (callKey{}) {
		return h.Context
	}
	return h.Context.Value(key)
}

// withConnection calls do when a connection is free, and at most as many at a time as there are
// connections. Otherwise do would wait for one in database/sql, longer than ctx.
func (s *Store) withConnection(ctx context.Context, do func() error) error {
	if s.connections == nil {
		return do()
	}
	select {
	case s.connections <- struct{}{}:
	default:
		select {
		case s.connections <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-s.connections }()
	return do()
}
