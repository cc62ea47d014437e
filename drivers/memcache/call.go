package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// send executes a command and returns the items of its answer. If an add or cas has written
// nothing, the error is gomemcache's: ErrNotStored, ErrCASConflict or ErrCacheMiss. A command with
// an invalid name is not sent. After any other error the outcome is not known.
func (s *Store) send(ctx context.Context, cmd command) (found []*memcache.Item, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if !cmd.valid() {
		return nil, memcache.ErrMalformedKey
	}
	if s.client != nil {
		found, err = s.sendWithClient(ctx, cmd)
	} else {
		addr, _ := s.servers.PickServer(cmd.name())
		found, err = s.pools[addr].exchange(ctx, cmd)
	}
	if err != nil && !isRefusal(err) {
		err = s.explain(err, s.serverOf(cmd.name()))
	}
	return found, err
}

// usable returns an error if the store cannot make a call.
func (s *Store) usable(ctx context.Context) error {
	switch {
	case !s.made():
		return errNotMade
	case s.closed.Load():
		return driver.ErrClosed
	case s.invalid != nil:
		return s.invalid
	}
	return ctx.Err()
}

// made reports whether s was made by Driver.Open or New.
func (s *Store) made() bool { return s != nil && s.redacted != nil }

var errNotMade = errors.New("memcache: the store was not made by New or Driver.Open")

// sendWithClient executes a command with an application's client, in a goroutine of its own. When
// ctx is done it returns the error of ctx, the goroutine continues until the client's timeout, and
// the outcome is not known. A client does not tell which connection a call has used: after an
// answer to another command, or if the server has closed a connection, sendWithClient closes all
// idle ones.
func (s *Store) sendWithClient(ctx context.Context, cmd command) ([]*memcache.Item, error) {
	type result struct {
		found []*memcache.Item
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := cmd.executeWith(s.client)
		if err == nil {
			err = cmd.check(found)
		}
		if errors.Is(err, errOtherKey) || wasClosed(err) {
			_ = s.client.Close()
		}
		done <- result{found, err}
	}()
	select {
	case r := <-done:
		return r.found, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serverOf names the server of an item by its place in the DSN. It returns "" if there is only one
// server or if the servers are not known.
func (s *Store) serverOf(name string) string {
	if s.servers == nil {
		return ""
	}
	addr, err := s.servers.PickServer(name)
	if err != nil {
		return ""
	}
	return s.place(addr)
}

func (s *Store) place(addr net.Addr) string {
	place, n := 0, 0
	_ = s.servers.Each(func(a net.Addr) error {
		if n++; a.String() == addr.String() {
			place = n
		}
		return nil
	})
	if n < 2 || place == 0 {
		return ""
	}
	return fmt.Sprintf("server %d of %d", place, n)
}
