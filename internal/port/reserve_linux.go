package port

import (
	"fmt"
	"syscall"
)

// Reserve returns an address of the loopback interface, such as "127.0.0.1:40123". Until release is
// called, the system gives its port to no program that asks for any free port. A server that sets
// SO_REUSEADDR, as [net.Listen] does, can listen at the address, as often as it likes, but only one
// at a time. While no server listens, the system refuses connections.
func Reserve() (addr string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("port: socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = syscall.Close(fd)
		}
	}()
	// A socket that is bound and does not listen keeps the port. With SO_REUSEADDR at both sockets,
	// the socket of the server may be bound to the same port.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return "", nil, fmt.Errorf("port: setsockopt: %w", err)
	}
	loopback := [4]byte{127, 0, 0, 1}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback}); err != nil {
		return "", nil, fmt.Errorf("port: bind: %w", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return "", nil, fmt.Errorf("port: getsockname: %w", err)
	}
	addr = fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
	return addr, func() { _ = syscall.Close(fd) }, nil
}
