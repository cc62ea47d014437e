package memcache

import (
	"testing"

	"gosession.dev/session/internal/faulttest"
	"gosession.dev/session/internal/testserver"
)

func TestFaults(t *testing.T) {
	faulttest.Run(t, faulttest.Target{
		Driver: Driver{},
		Server: testserver.StartMemcached(t).Addr,
		DSN:    func(addr string) string { return addr },
	})
}
