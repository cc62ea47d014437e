//go:build unix

package memcache

import (
	"errors"
	"net"
	"syscall"
)

// probe checks a connection without blocking. One call at a time may use it.
type probe struct {
	raw  syscall.RawConn
	read func(fd uintptr) // a field, so that quiet does not allocate it
	err  error            // of the last read
}

func newProbe(nc net.Conn) *probe {
	connection, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil
	}
	p := &probe{raw: raw}
	var b [1]byte
	p.read = func(fd uintptr) {
		_, p.err = syscall.Read(int(fd), b[:])
	}
	return p
}

// quiet reports whether the connection is open and has nothing to read.
func (p *probe) quiet() bool {
	return p == nil ||
		p.raw.Control(p.read) == nil && (errors.Is(p.err, syscall.EAGAIN) || errors.Is(p.err, syscall.EWOULDBLOCK))
}
