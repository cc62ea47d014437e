package mongo

import (
	"strings"
	"testing"

	"gosession.dev/session/internal/faulttest"
	"gosession.dev/session/internal/testserver"
)

func TestFaults(t *testing.T) {
	m := testserver.StartMongo(t)
	if m.Server == nil {
		t.Skip("SESSION_TEST_MONGO_URI names a server, and only one of our own can be put behind a proxy: unset it")
	}
	dsn := newDSN(m, "")
	faulttest.Run(t, faulttest.Target{
		Driver: Driver{},
		Server: m.Addr,
		DSN:    func(addr string) string { return strings.Replace(dsn, m.Addr, addr, 1) },
	})
}
