//go:build !linux

package port

import "net"

// Reserve returns an address of the loopback interface, such as "127.0.0.1:40123", at which no server
// listens. On this system, another program can still get the port before release is called.
func Reserve() (addr string, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
