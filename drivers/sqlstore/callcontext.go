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

// Interrupt makes the reads and writes of a network connection fail from the time at which the call
// ends whose context is CallContext(ctx). A method of the database connection that uses it calls
// Interrupt first, and End last.
func Interrupt(ctx context.Context, network net.Conn) Interruption {
	call := CallContext(ctx)
	i := Interruption{network: network}
	// Contexts of package session say when they end, so that no timer of theirs is necessary.
	if limited, ok := call.(interface {
		Caller() (caller context.Context, until time.Time)
	}); ok {
		var until time.Time
		call, until = limited.Caller()
		i.limited = true
		_ = network.SetDeadline(until) // a connection that fails here fails at the next read or write
	}
	if call.Done() != nil {
		i.stop = context.AfterFunc(call, func() { _ = network.SetDeadline(time.Unix(1, 0)) })
	}
	return i
}

// Interruption is what [Interrupt] has set up. The zero value is none.
type Interruption struct {
	network net.Conn
	limited bool        // whether the connection has a deadline
	stop    func() bool // nil if the call can't end before its deadline
}

// End ends the interruption. It reports whether the connection can be used again: it can't if the
// context of the call has ended before.
func (i Interruption) End() bool {
	if i.stop != nil && !i.stop() {
		return false
	}
	if i.limited {
		_ = i.network.SetDeadline(time.Time{})
	}
	return true
}

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
