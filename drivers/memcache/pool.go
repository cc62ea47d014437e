package memcache

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// pool keeps connections to one server. It replaces gomemcache's pool, which has no contexts and
// does not check that a connection is still open before it sends a write.
type pool struct {
	addr    net.Addr
	timeout time.Duration // for connecting, and for each answer
	maxIdle int
	maxSize int // of an item, in bytes

	mu     sync.Mutex // guards idle and closed
	idle   []*conn    // the most recently used one is the last
	closed bool
}

// conn is a connection. One call at a time uses it.
type conn struct {
	nc      net.Conn
	probe   *probe
	r       *bufio.Reader
	command []byte
	timeout time.Duration
	maxSize int
	used    time.Time // when its last call ended
}

const (
	// maxIdleTime is how long an idle connection is kept. Load balancers and firewalls drop
	// idle connections after some minutes, some of them without closing them.
	maxIdleTime = time.Minute

	// maxBuffer is the size in bytes of the largest command buffer that a connection keeps.
	maxBuffer = 64 << 10
)

// longAgo is a deadline that makes reads and writes fail at once.
var longAgo = time.Unix(1, 0)

// exchange sends a command and reads its answer. When ctx is done, exchange interrupts the
// connection, returns the error of ctx, and does not use the connection again.
func (p *pool) exchange(ctx context.Context, cmd command) ([]*memcache.Item, error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	_ = c.nc.SetDeadline(time.Now().Add(p.timeout))
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(longAgo) })
	found, err := c.run(ctx, cmd)
	inTime := stop()
	p.put(c, inTime && (err == nil || isRefusal(err)))
	if wasClosed(err) {
		p.drop()
	}
	if err != nil && !inTime {
		return nil, ctx.Err()
	}
	return found, err
}

func (c *conn) run(ctx context.Context, cmd command) ([]*memcache.Item, error) {
	c.command = cmd.append(c.command[:0])
	if _, err := c.nc.Write(c.command); err != nil {
		return nil, err
	}
	found, err := cmd.read(ctx, c)
	if err != nil {
		return nil, err
	}
	return found, cmd.check(found)
}

// extend gives the server the full timeout for the next part of an answer.
func (c *conn) extend(ctx context.Context) error {
	_ = c.nc.SetDeadline(time.Now().Add(c.timeout))
	// Check ctx after that: if it ended before, this deadline has replaced the one that exchange
	// set. If it ends later, exchange sets the deadline again.
	return ctx.Err()
}

// take returns a connection that no other call uses: an idle one or a new one. If the idle one is
// too old, closed, or has an answer that no call waits for, take closes all idle connections,
// because the others are likely to be unusable too, as after a restart of the server.
func (p *pool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	var kept *conn
	if n := len(p.idle); n > 0 {
		kept, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	if kept == nil {
		return p.dial(ctx)
	}
	if time.Since(kept.used) < maxIdleTime && kept.probe.quiet() {
		return kept, nil
	}
	_ = kept.nc.Close()
	p.drop()
	return p.dial(ctx)
}

func (p *pool) dial(ctx context.Context) (*conn, error) {
	nc, err := dial(ctx, p.addr, p.timeout)
	if err != nil {
		return nil, err
	}
	return &conn{nc: nc, probe: newProbe(nc), r: bufio.NewReader(nc), timeout: p.timeout, maxSize: p.maxSize}, nil
}

// dial connects. If ctx ends first, it returns the error of ctx.
func dial(ctx context.Context, addr net.Addr, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	nc, err := dialer.DialContext(ctx, addr.Network(), addr.String())
	if err == nil {
		return nc, nil
	}
	// The timers of package net may fire before the one of ctx.
	if at, ok := ctx.Deadline(); ok && time.Until(at) < time.Millisecond {
		<-ctx.Done()
	}
	return nil, cmp.Or(ctx.Err(), err)
}

// put takes a connection back. It keeps c only if it is good, and closes connections that were
// idle for too long.
func (p *pool) put(c *conn, good bool) {
	c.used = time.Now()
	if cap(c.command) > maxBuffer {
		c.command = nil
	}
	p.mu.Lock()
	var out []*conn
	for len(p.idle) > 0 && c.used.Sub(p.idle[0].used) >= maxIdleTime {
		out, p.idle = append(out, p.idle[0]), p.idle[1:]
	}
	if good && !p.closed && len(p.idle) < p.maxIdle {
		p.idle = append(p.idle, c)
	} else {
		out = append(out, c)
	}
	p.mu.Unlock()
	closeAll(out)
}

// drop closes the idle connections.
func (p *pool) drop() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	closeAll(idle)
}

// close closes the idle connections now, and those in use when put takes them back.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop()
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		_ = c.nc.Close()
	}
}

// wasClosed reports whether err means that the server has closed the connection.
func wasClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
