package mongo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
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

// A server that is killed is an outage; when it is back, so are the sessions.
func TestRestart(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMongo(t)
	if m.Server == nil {
		t.Skip("SESSION_TEST_MONGO_URI names a server, and only one of our own can be killed: unset it")
	}
	s, err := Driver{}.Open(newDSN(m, "serverSelectionTimeoutMS=200"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	r := record("k")
	require.NoError(t, s.Create(ctx, r))
	m.Stop()
	_, err = s.Retrieve(ctx, "k")
	require.Error(t, err)
	require.NotErrorIs(t, err, driver.ErrNotFound)
	require.NotContains(t, err.Error(), m.Addr)
	m.Start()
	require.Eventually(t, func() bool {
		_, err = s.Retrieve(ctx, "k")
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, s.Flush(ctx, r))
}
