// Package netfault is a TCP proxy between a client and a server that fails as networks and
// servers do: it refuses connections, keeps answers back, delays them, slows them down, cuts
// them off or resets the connection.
//
//	proxy := netfault.Start(t, server.Addr)
//	store, err := driver.Open("redis://" + proxy.Addr)
//	...
//	proxy.Swallow() // the server gets what the client sends, and its answers are lost
//	...
//	proxy.Heal()
//
// A Proxy runs in the process of the test, and does one kind of harm at a time.
package netfault

import (
	"context"
	"net"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/internal/port"
)

// Proxy is a proxy in front of one server. Its methods may be called by several goroutines.
type Proxy struct {
	// Addr is the address for the client, such as "127.0.0.1:40123".
	Addr string

	t      testing.TB
	server string

	mu       sync.Mutex // guards what follows
	listener net.Listener
	fault    *fault
	links    map[*link]bool
	running  sync.WaitGroup
}

// fault is the harm that the proxy does.
type fault struct {
	// harm does something to the bytes of an answer, and reports whether the connection
	// goes on. Nil passes them on.
	harm   func(l *link, answer []byte) bool
	healed chan struct{} // closed when the fault is over
}

// Start starts a proxy in front of a server, such as "127.0.0.1:6379". It ends with the test.
func Start(t testing.TB, server string) *Proxy {
	t.Helper()
	addr, release, err := port.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	p := &Proxy{Addr: addr, t: t, server: server, fault: newFault(nil), links: map[*link]bool{}}
	listener, err := listenAgain(addr)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.listenLocked(listener)
	p.mu.Unlock()
	t.Cleanup(func() {
		p.Down()
		p.running.Wait()
	})
	return p
}

func newFault(harm func(*link, []byte) bool) *fault {
	return &fault{harm: harm, healed: make(chan struct{})}
}

// Heal ends the harm. Connections whose answers were kept back or cut off are closed, and
// the others go on.
func (p *Proxy) Heal() { p.t.Helper(); p.set(nil) }

// Down closes all connections, and refuses new ones.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.endLocked(nil)
	for l := range p.links {
		l.close()
	}
}

// Swallow keeps all answers back. Connections stay open, and the server gets what clients
// send.
func (p *Proxy) Swallow() {
	p.t.Helper()
	p.set(func(l *link, _ []byte) bool {
		l.waitForHealing()
		return false
	})
}

// Delay delays each answer.
func (p *Proxy) Delay(d time.Duration) {
	p.t.Helper()
	p.set(func(l *link, answer []byte) bool {
		l.wait(d)
		return l.pass(answer)
	})
}

// Trickle slows answers down to so many bytes a second.
func (p *Proxy) Trickle(bytes int) {
	p.t.Helper()
	p.set(func(l *link, answer []byte) bool {
		for i := range answer {
			l.wait(time.Second / time.Duration(bytes))
			if !l.pass(answer[i : i+1]) {
				return false
			}
		}
		return true
	})
}

// Reset resets a connection when an answer comes: the server has done what it was asked,
// and the client does not learn of it.
func (p *Proxy) Reset() {
	p.t.Helper()
	p.set(func(l *link, _ []byte) bool {
		l.reset()
		return false
	})
}

// Connections returns how many connections of clients are open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// ResetOnce passes so many answers on, resets the connection of the one that follows, and does no
// more harm then.
func (p *Proxy) ResetOnce(after int) {
	p.t.Helper()
	var seen atomic.Int64
	p.set(func(l *link, answer []byte) bool {
		if seen.Add(1) != int64(after)+1 {
			return l.pass(answer)
		}
		l.reset()
		return false
	})
}

// CutAfter closes a connection after so many bytes of answers, counted from now on.
func (p *Proxy) CutAfter(bytes int) {
	p.t.Helper()
	p.set(func(l *link, answer []byte) bool {
		left := bytes - l.passed
		if left >= len(answer) {
			return l.pass(answer)
		}
		_ = l.pass(answer[:left])
		return false
	})
}

// set replaces the harm.
func (p *Proxy) set(harm func(*link, []byte) bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked(harm)
	if p.listener != nil {
		return
	}
	listener, err := listenAgain(p.Addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.listenLocked(listener)
}

func (p *Proxy) endLocked(harm func(*link, []byte) bool) {
	close(p.fault.healed)
	p.fault = newFault(harm)
}

// listenAgain listens at an address that may have been in use a moment ago.
func listenAgain(addr string) (listener net.Listener, err error) {
	for range 1000 {
		if listener, err = net.Listen("tcp", addr); err == nil {
			return listener, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

func (p *Proxy) listenLocked(listener net.Listener) {
	p.listener = listener
	p.running.Go(func() {
		pprof.SetGoroutineLabels(context.Background()) // the labels of the caller are not for the proxy
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the proxy is down
			}
			p.running.Go(func() { p.serve(listener, client) })
		}
	})
}

// serve connects a client with the server.
func (p *Proxy) serve(listener net.Listener, client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server, closed: make(chan struct{})}
	p.mu.Lock()
	stale := p.listener != listener // Down was called meanwhile
	if !stale {
		p.links[l] = true
	}
	p.mu.Unlock()
	if !stale {
		l.run()
	}
	l.close()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *Proxy) now() *fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}
