//go:build !unix

package netstore

import (
	"errors"
	"net"
	"time"
)

// isOpen reports whether the server has not closed an idle connection.
func (c *conn) isOpen() bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Conn.Read(make([]byte, 1))
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
