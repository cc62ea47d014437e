//go:build unix

package netstore

import (
	"errors"
	"syscall"
	"time"
)

// isOpen reports whether the server has not closed an idle connection. It does not wait, so that the
// answer is right on a slow machine too.
func (c *conn) isOpen() bool {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	open := false
	_ = c.SetReadDeadline(time.Time{})
	err = raw.Read(func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), make([]byte, 1))
		open = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && open
}
