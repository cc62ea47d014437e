package memcache

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// gomemcache has no contexts. A store that Open has made can do without a
// goroutine for each call all the same, because its connections are its own: when
// the context of a call is done, the call's connections time out.

// line is a client for one call at a time.
type line struct {
	client *memcache.Client
	ctx    context.Context // of the call, for dialling

	mu    sync.Mutex // guards what follows
	conns map[*conn]bool
	over  bool // the context of the call is done; there will be no other call
}

// conn is a connection of a line.
type conn struct {
	net.Conn
	line *line
}

func newLine(servers memcache.ServerSelector, timeout time.Duration) *line {
	l := &line{client: memcache.NewFromSelector(servers), conns: map[*conn]bool{}}
	l.client.Timeout = timeout
	l.client.MaxIdleConns = 1
	l.client.DialContext = l.dial
	return l
}

// begin has the line's connections time out when ctx is done, until end is called.
// It reports then whether the line is as good as before.
func (l *line) begin(ctx context.Context) (end func() bool) {
	l.ctx = ctx
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, l.hangUp)
}

// longAgo is a deadline at which every call fails at once.
var longAgo = time.Unix(1, 0)

func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for c := range l.conns {
		_ = c.Conn.SetDeadline(longAgo)
	}
}

// dial replaces the client's own, whose context does not know that of the call.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{nc, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return c, nil
}

// SetDeadline is what the client calls before it uses a connection.
func (c *conn) SetDeadline(t time.Time) error {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if c.line.over {
		t = longAgo
	}
	return c.Conn.SetDeadline(t)
}

func (c *conn) Close() error {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	delete(c.line.conns, c)
	return c.Conn.Close()
}

// lines are the lines of a store.
type lines struct {
	servers memcache.ServerSelector
	timeout time.Duration
	maxIdle int

	mu     sync.Mutex // guards what follows
	idle   []*line
	closed bool
}

// take returns a line that no other call uses.
func (ls *lines) take() *line {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if n := len(ls.idle); n > 0 {
		l := ls.idle[n-1]
		ls.idle = ls.idle[:n-1]
		return l
	}
	return newLine(ls.servers, ls.timeout)
}

// put takes a line back.
func (ls *lines) put(l *line, good bool) {
	l.ctx = nil
	ls.mu.Lock()
	keep := good && !ls.closed && len(ls.idle) < ls.maxIdle
	if keep {
		ls.idle = append(ls.idle, l)
	}
	ls.mu.Unlock()
	if !keep {
		_ = l.client.Close()
	}
}

// close closes the idle lines; those in use follow when they are put.
func (ls *lines) close() error {
	ls.mu.Lock()
	idle := ls.idle
	ls.idle, ls.closed = nil, true
	ls.mu.Unlock()
	for _, l := range idle {
		if err := l.client.Close(); err != nil {
			return err
		}
	}
	return nil
}
