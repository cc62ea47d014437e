package port_test

import (
	"net"
	"runtime"
	"testing"

	"gosession.dev/session/internal/port"
)

// reserve reserves an address for the test.
func reserve(t *testing.T) string {
	t.Helper()
	addr, release, err := port.Reserve()
	if err != nil {
		t.Fatalf("Reserve() = %v; want nil", err)
	}
	t.Cleanup(release)
	return addr
}

// Servers can listen at a reserved address, one after the other, even while connections of an
// earlier one are open.
func TestServersListenInTurn(t *testing.T) {
	addr := reserve(t)
	for range 3 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Fatal("Dial of an address at which no server listens = nil; want an error")
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("Listen at a reserved address = %v; want nil", err)
		}
		if second, err := net.Listen("tcp", addr); err == nil {
			second.Close()
			t.Error("Listen while another server listens = nil; want an error")
		}
		client, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("Dial while a server listens = %v; want nil", err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		l.Close()
	}
}

// The system gives reserved ports to no program that asks for any port.
func TestOthersGetOtherPorts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux the port is reserved")
	}
	reserved := map[string]bool{}
	for range 500 {
		reserved[reserve(t)] = true
	}
	if len(reserved) != 500 {
		t.Errorf("500 calls of Reserve return %d addresses; want 500", len(reserved))
	}
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if addr := l.Addr().String(); reserved[addr] {
			t.Fatalf("Listen at any port got %s; want a port that is not reserved", addr)
		}
	}
}
