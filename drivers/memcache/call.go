package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

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
	inTime := end()
	s.lines.put(l, inTime && !errors.Is(err, errOtherKey))
	if err != nil && !inTime {
		return none, ctx.Err()
	}
	return value, s.explain(err)
}

// awaitAside makes a call of an application's client in a goroutine. When ctx is
// done the call goes on alone, for as long as the client's timeout lets it, and
// its outcome is not known. A client does not tell which connection a call has used: after
// an answer to another request, awaitAside closes all connections that are idle.
func awaitAside[T any](ctx context.Context, s *Store, call func(*memcache.Client) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call(s.client)
		if errors.Is(err, errOtherKey) {
			_ = s.client.Close()
		}
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

// explain takes the address, which is part of the DSN, out of an error of the network,
// and what a server said out of an error of the client: it may be a session's data.
func (s *Store) explain(err error) error {
	var timeout *memcache.ConnectTimeoutError
	switch opError, ok := errors.AsType[*net.OpError](err); {
	case err != nil && s.closed.Load():
		return driver.ErrClosed
	case ok:
		return &serverError{opError.Op, withoutHost(opError.Err)}
	case errors.As(err, &timeout):
		return &serverError{"dial", context.DeadlineExceeded}
	case err == nil || !strings.HasPrefix(err.Error(), "memcache: unexpected "):
		return err
	case strings.Contains(err.Error(), `"SERVER_ERROR object too large`):
		return fmt.Errorf("%w: the server's option -I is below max_item_size", driver.ErrTooLarge)
	}
	return errUnexpected
}

// withoutHost takes the name of the host out of an error of the network.
func withoutHost(err error) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("host not found")
	}
	return err
}

// errUnexpected: an answer that the protocol does not know, or an error that the server
// reports.
var errUnexpected = errors.New("memcached: the server gave an unexpected answer or reported an error")

// serverError is an error of the connection to a server, without its address.
type serverError struct {
	op    string
	cause error
}

func (e *serverError) Error() string { return "memcached: " + e.op + ": " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }
