package testserver

import (
	"io"
	"net"
	"testing"
)

// Later returns an address at which nothing listens, and a function that makes the address lead
// to the server at upstream from then on.
func Later(t testing.TB, upstream string) (addr string, up func()) {
	t.Helper()
	addr = reserve(t)
	return addr, func() {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go relay(l, upstream)
	}
}

// relay relays the connections that l accepts to upstream until l is closed.
func relay(l net.Listener, upstream string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", upstream)
		if err != nil {
			client.Close()
			continue
		}
		pass := func(to, from net.Conn) {
			io.Copy(to, from)
			to.Close()
			from.Close()
		}
		go pass(server, client)
		go pass(client, server)
	}
}
