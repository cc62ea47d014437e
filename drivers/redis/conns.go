package redis

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/redis/rueidis"
)

// conns are the open connections of a client. A nil *conns, of an application's client, has none.
type conns struct {
	network string // "tcp" or "unix"
	onLoss  func() // called when a connection is closed
	ctx     context.Context
	refuse  context.CancelFunc // ends dialing, and lets no connection be made any more

	mu     sync.Mutex
	open   map[*conn]bool // guarded by mu
	closed int            // how many were closed; guarded by mu
}

// conn is a connection that leaves conns when it is closed.
type conn struct {
	net.Conn
	of *conns
}

func newConns(network string) *conns {
	c := &conns{network: network, open: map[*conn]bool{}}
	c.ctx, c.refuse = context.WithCancel(context.Background())
	return c
}

// dial is the DialCtxFn of the client.
func (c *conns) dial(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var raw net.Conn
	var err error
	if config != nil {
		raw, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, c.network, addr)
	} else {
		raw, err = dialer.DialContext(ctx, c.network, addr)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		_ = raw.Close()
		return nil, rueidis.ErrClosing
	}
	made := &conn{raw, c}
	c.open[made] = true
	return made, nil
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	first := c.of.open[c]
	if first {
		c.of.closed++
	}
	delete(c.of.open, c)
	c.of.mu.Unlock()
	if first {
		c.of.onLoss()
	}
	return c.Conn.Close()
}

// lost returns how many connections were closed.
func (c *conns) lost() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *conns) closeAll() {
	if c == nil {
		return
	}
	c.mu.Lock()
	open := make([]*conn, 0, len(c.open))
	for made := range c.open {
		open = append(open, made)
	}
	c.mu.Unlock()
	for _, made := range open {
		_ = made.Close()
	}
}
