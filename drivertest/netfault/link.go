package netfault

import (
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection of a client, and the one to the server that belongs to it.
type link struct {
	proxy          *Proxy
	client, server net.Conn

	once   sync.Once
	closed chan struct{}

	// The goroutine that copies answers has these for itself.
	fault  *fault // of the answer that it copies
	passed int    // bytes of answers, since that fault has begun
}

// run copies in both directions until one of the connections ends.
func (l *link) run() {
	l.proxy.running.Go(func() {
		_, _ = io.Copy(l.server, l.client)
		l.close()
	})
	buf := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(buf)
		if n > 0 && !l.answer(buf[:n]) || err != nil {
			return
		}
	}
}

// answer passes an answer on, or does harm to it, and reports whether the connection goes on.
func (l *link) answer(answer []byte) bool {
	if now := l.proxy.now(); l.fault != now {
		l.fault, l.passed = now, 0
	}
	if l.fault.harm == nil {
		return l.pass(answer)
	}
	return l.fault.harm(l, answer)
}

func (l *link) pass(answer []byte) bool {
	n, err := l.client.Write(answer)
	l.passed += n
	return err == nil
}

// wait waits for so long, or until the fault or the connection is over.
func (l *link) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.fault.healed:
	case <-l.closed:
	}
}

// waitForHealing waits until the fault or the connection is over.
func (l *link) waitForHealing() {
	select {
	case <-l.fault.healed:
	case <-l.closed:
	}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// reset closes the client's connection by a RST instead of a FIN.
func (l *link) reset() {
	if tcp, ok := l.client.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	l.close()
}
