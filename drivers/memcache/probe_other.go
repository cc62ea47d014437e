//go:build !unix

package memcache

import "net"

// probe cannot check connections on this system: the first command on a connection that the server
// has closed fails.
type probe struct{}

func newProbe(net.Conn) *probe { return nil }

func (*probe) quiet() bool { return true }
