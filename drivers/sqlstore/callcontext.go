package sqlstore

import (
	"context"
	"net"
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

// A Limit ends each call that uses a database connection when the context of the call ends: the reads
// and writes of its network connection fail from then on. A method of the database connection calls
// Begin first, and End last. Like the connection, a Limit is for one goroutine at a time.
type Limit struct {
	network net.Conn
	limited bool        // whether the network connection has a deadline
	stop    func() bool // nil if the call can't end before its deadline
	broken  bool
}

// NewLimit returns a Limit for a network connection. If that is nil, the SQL driver gets the contexts
// of the calls.
func NewLimit(network net.Conn) Limit { return Limit{network: network} }

// Begin begins the call whose context is CallContext(ctx). It returns the context for the SQL driver,
// or the error of a context that has ended.
func (l *Limit) Begin(ctx context.Context) (context.Context, error) {
	call := CallContext(ctx)
	if l.network == nil || call == ctx {
		return call, nil
	}
	if err := call.Err(); err != nil {
		return nil, err
	}
	// Contexts of package session say when they end, so that no timer of theirs is necessary.
	if limited, ok := call.(interface {
		Caller() (caller context.Context, until time.Time)
	}); ok {
		var until time.Time
		call, until = limited.Caller()
		l.limited = true
		_ = l.network.SetDeadline(until) // a connection that fails here fails at the next read or write
	}
	if call.Done() != nil {
		l.stop = context.AfterFunc(call, func() { _ = l.network.SetDeadline(time.Unix(1, 0)) })
	}
	return ctx, nil
}

// End ends the call.
func (l *Limit) End() {
	switch {
	case l.stop != nil && !l.stop():
		l.broken = true
	case l.limited:
		_ = l.network.SetDeadline(time.Time{})
	}
	l.limited, l.stop = false, nil
}

// Broken reports whether the context of a call has ended during the call. The connection can't be used
// again then.
func (l *Limit) Broken() bool { return l.broken }

// withConnection calls do when a connection is free, and at most as many at a time as there are
// connections. If database/sql had that limit, do would wait there, longer than ctx.
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
