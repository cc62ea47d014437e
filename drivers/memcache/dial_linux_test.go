package memcache

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// If its context ends while the store connects, a call returns the error of the context.
func TestConnectingEndsWithItsContext(t *testing.T) {
	s := open(t, fullBacklog(t)+"?timeout=10s")
	list := func(ctx context.Context) (last error) {
		for _, err := range s.Sessions(ctx) {
			last = err
		}
		return last
	}
	retrieve := func(ctx context.Context) error {
		_, err := s.Retrieve(ctx, "k")
		return err
	}
	for _, call := range []func(context.Context) error{retrieve, list, s.Ping} {
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
			err := call(ctx)
			<-ctx.Done()
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}
}

// fullBacklog returns the address of a listener whose backlog is full, so that dialing blocks.
func fullBacklog(t *testing.T) (addr string) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr = fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}
