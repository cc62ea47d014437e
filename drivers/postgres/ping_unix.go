//go:build unix

package postgres

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// shouldPing reports whether a connection of the pool must be checked by a round trip before it is
// used. A connection is in order if the server has sent nothing since its last answer: otherwise it
// has closed the connection. Asking is a system call, which a busy connection is spared.
func shouldPing(_ context.Context, p stdlib.ShouldPingParams) bool {
	return p.IdleDuration > 10*time.Millisecond && !quiet(p.Conn.PgConn().Conn())
}

// quiet reports whether a connection is open and has nothing to read.
func quiet(conn net.Conn) bool {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	connection, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := connection.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	var peekErr error
	err = raw.Control(func(fd uintptr) {
		_, _, peekErr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	})
	return err == nil && (peekErr == syscall.EAGAIN || peekErr == syscall.EWOULDBLOCK)
}
