package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/mysql"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivers/redis"
	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/testserver"
)

var (
	least   = flag.Int("min", 1000, "number of sessions in the first step of TestServers")
	most    = flag.Int("max", 1000, "number of sessions in the last step of TestServers")
	latency = flag.Duration("latency", 0, "how much later each answer of a server arrives in TestServers")
)

// TestServers measures stores on servers, as the command does for other stores:
//
//	go test -C bench -v -timeout 2h ./growth -run TestServers/postgres -max 1000000
//	go test -C bench -v ./growth -run TestServers -min 100000 -max 100000 -latency 10ms
func TestServers(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		server := testserver.StartPostgres(t, "fsync=off")
		measureServer(t, postgres.Driver{}, server.Addr, func() string { return server.DSN(server.NewDatabase(t), "") })
	})
	t.Run("mysql", func(t *testing.T) {
		server := testserver.StartMariaDB(t, "innodb_flush_log_at_trx_commit=0")
		measureServer(t, mysql.Driver{}, server.Addr, func() string { return server.DSN(server.NewDatabase(t), "") })
	})
	t.Run("redis", func(t *testing.T) {
		server := testserver.StartRedis(t)
		measureServer(t, redis.Driver{}, server.Addr, func() string {
			server.Do(t, "FLUSHALL")
			return "redis://" + server.Addr
		})
	})
}

// measureServer measures stores of d in new databases of the server at addr.
func measureServer(t *testing.T, d driver.Driver, addr string, dsn func() string) {
	if *latency > 0 {
		p := netfault.Start(t, addr)
		p.Delay(*latency)
		direct := dsn
		dsn = func() string { return strings.Replace(direct(), addr, p.Addr, 1) }
	}
	_, err := grow(t.Context(), t.Name(), func() (store, error) {
		s, err := d.Open(dsn())
		return ours{s, false, func() error { return nil }}, err
	}, *least, *most)
	require.NoError(t, err)
}
