package postgres_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A wire is a proxy that counts round trips, and can lose an answer. A round trip is a message after
// which the server answers and waits for the client: Sync, or a simple Query.
type wire struct {
	addr   string
	trips  atomic.Int64
	lose   atomic.Bool // the next answer is lost, and with it the connection
	server string
}

// newWire starts a wire in front of a server.
func newWire(t testing.TB, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	w := &wire{addr: l.Addr().String(), server: server}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(client)
		}
	}()
	return w
}

// serve relays the messages of a client, and the answers.
func (w *wire) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	var losing atomic.Bool // a message was sent whose answer must be lost
	go func() {
		defer client.Close()
		answer := make([]byte, 1<<16)
		for {
			n, err := server.Read(answer)
			if err != nil || losing.Load() {
				return // the server has executed the statement
			}
			if _, err := client.Write(answer[:n]); err != nil {
				return
			}
		}
	}()
	header := make([]byte, 5)
	for startup := true; ; startup = false {
		size := header
		if startup { // it has no type
			size = header[1:]
			header[0] = 0
		}
		if _, err := io.ReadFull(client, size); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(client, message); err != nil {
			return
		}
		if header[0] == 'S' || header[0] == 'Q' {
			w.trips.Add(1)
			if w.lose.Swap(false) {
				losing.Store(true)
			}
		}
		if _, err := server.Write(append(size[:len(size):len(size)], message...)); err != nil {
			return
		}
	}
}

// count returns the number of round trips of a call.
func (w *wire) count(t testing.TB, call func() error) int64 {
	t.Helper()
	before := w.trips.Load()
	require.NoError(t, call())
	return w.trips.Load() - before
}
