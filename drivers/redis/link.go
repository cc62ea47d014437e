package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gosession.dev/session/driver"
)

// A link is the client of a store, which it connects when the store is used first, and again when
// the connection was lost. Rueidis connects within calls, whose contexts then have no effect.
// Therefore a link connects in a goroutine of its own. All calls wait for the same attempt, each
// until its context is done. After an attempt that has failed, the next call starts another one.
type link struct {
	open    func() (rueidis.Client, error) // nil for an application's client
	conns   *conns                         // the connections of a client that open has made
	timeout time.Duration                  // of an attempt
	name    string                         // of a key that is read to test the connection
	ready   atomic.Pointer[rueidis.Client] // nil while the client is not known to be connected

	mu      sync.Mutex
	client  rueidis.Client // guarded by mu
	attempt *attempt       // in progress; guarded by mu
	closed  bool           // guarded by mu
}

type attempt struct {
	done chan struct{} // closed when client and err are set
	err  error
}

// get returns the client. It connects if necessary.
func (l *link) get(ctx context.Context) (rueidis.Client, error) {
	if client := l.ready.Load(); client != nil {
		return *client, nil
	}
	a, err := l.join()
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.client == nil {
		return nil, driver.ErrClosed
	}
	return l.client, nil
}

// join returns the attempt in progress, or starts one.
func (l *link) join() (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, driver.ErrClosed
	}
	if l.attempt == nil {
		l.attempt = &attempt{done: make(chan struct{})}
		go l.connect(l.attempt, l.client)
	}
	return l.attempt, nil
}

// connect makes a client if there is none, and has it read a key, which makes it connect.
func (l *link) connect(a *attempt, client rueidis.Client) {
	lost := l.conns.lost()
	if client == nil {
		client, a.err = l.open()
	}
	if a.err == nil {
		a.err = l.test(client)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(a.done)
	l.attempt = nil
	if l.client == nil && client != nil && (l.closed || a.err != nil) {
		client.Close()
		return
	}
	if l.closed {
		return
	}
	l.client = client
	if a.err == nil && lost == l.conns.lost() {
		l.ready.Store(&client)
	}
}

// test reads a key. Any answer will do. The first attempt may meet a connection that was closed a moment
// ago, and makes the client notice it.
func (l *link) test(client rueidis.Client) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	for range 2 {
		err = client.Do(undated{ctx}, client.B().Get().Key(l.name).Build()).NonRedisError()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// drop notes that a connection was lost.
func (l *link) drop() { l.ready.Store(nil) }

// reset closes the connections of a client that the link has made, because they are of no use any
// more.
func (l *link) reset() {
	l.drop()
	l.conns.closeAll()
}

func (l *link) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// close closes the client that the link has made, and waits for an attempt in progress.
func (l *link) close() {
	l.mu.Lock()
	client, a, again := l.client, l.attempt, l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return
	}
	l.drop()
	if l.open == nil {
		return
	}
	l.conns.refuse()
	if client != nil {
		client.Close()
	}
	l.conns.closeAll()
	if a != nil {
		<-a.done
	}
}
