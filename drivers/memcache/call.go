package memcache

import (
	"context"
	"errors"
	"net"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// await makes a call of a client, and returns when ctx is done.
func await[T any](ctx context.Context, s *Store, call func(*memcache.Client) (T, error)) (T, error) {
	var none T
	switch {
	case s.closed.Load():
		return none, driver.ErrClosed
	case ctx.Err() != nil:
		return none, ctx.Err()
	case s.client != nil:
		return awaitAside(ctx, s, call)
	}
	l := s.lines.take()
	end := l.begin(ctx)
	value, err := call(l.client)
	good := end()
	s.lines.put(l, good)
	if err != nil && !good {
		return none, ctx.Err()
	}
	return value, s.explain(err)
}

// awaitAside makes a call of an application's client in a goroutine. When ctx is
// done the call goes on alone, for as long as the client's timeout lets it, and
// what becomes of it is not known.
func awaitAside[T any](ctx context.Context, s *Store, call func(*memcache.Client) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call(s.client)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, s.explain(r.err)
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// do is await for calls that return an error only.
func (s *Store) do(ctx context.Context, call func(*memcache.Client) error) error {
	_, err := await(ctx, s, func(c *memcache.Client) (struct{}, error) { return struct{}{}, call(c) })
	return err
}

// explain takes the address, which is the DSN, out of an error of the network.
func (s *Store) explain(err error) error {
	var timeout *memcache.ConnectTimeoutError
	switch opError, ok := errors.AsType[*net.OpError](err); {
	case err != nil && s.closed.Load():
		return driver.ErrClosed
	case ok:
		return &serverError{opError.Op, opError.Err}
	case errors.As(err, &timeout):
		return &serverError{"dial", context.DeadlineExceeded}
	}
	return err
}

// serverError is what has happened between us and a server.
type serverError struct {
	op    string
	cause error
}

func (e *serverError) Error() string { return "memcached: " + e.op + ": " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }
