package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivertest"
)

// ownPool returns a pool as an application opens it.
func ownPool(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// withOpen returns the target with a store of an application's own pool in place of the driver. Its
// DSNs are names of tables.
func (p place) withOpen(open func(table string) (driver.Store, error)) drivertest.Target {
	return drivertest.Target{
		Open:       open,
		DSN:        func(testing.TB) string { return newTable() },
		Implements: features,
		PageSize:   1000,
		Count:      func(t testing.TB, table string) int { return p.count(t, p.dsn(table)) },
	}
}

// Closing the store leaves the application's pool open, and the names of the options are used.
func TestOwnPoolStaysOpen(t *testing.T) {
	p := newPlace(t, "")
	o := postgres.Options{Table: newTable(), IDColumn: "key", DataColumn: "value", JSON: true, Unlogged: true}
	pool, db := ownPool(t, p.DSN(p.database, "")), connect(t, p.DSN(p.database, ""))
	for name, s := range map[string]*postgres.Store{"key-of-db": postgres.New(db, o), "key-of-pool": postgres.NewPool(pool, o)} {
		require.NoError(t, s.Ping(t.Context()))
		require.NoError(t, s.Create(t.Context(), record(name, time.Hour)))
		require.NotEmpty(t, s.Loses())
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err := s.Retrieve(t.Context(), name)
		require.ErrorIs(t, err, driver.ErrClosed)
		require.NoError(t, db.Ping())
		require.NoError(t, pool.Ping(t.Context()))
		var items string
		require.NoError(t, db.QueryRow(`SELECT value->>'items' FROM `+o.Table+` WHERE key = $1`, name).Scan(&items))
		require.Equal(t, "3", items)
	}
	require.Zero(t, pool.Stat().AcquiredConns(), "connections that the store has not given back")
}

// The exec mode of a pool decides whether pgx prepares statements.
func TestOwnPoolBehindPgBouncer(t *testing.T) {
	p := newPlace(t, "")
	bouncer := p.behind(t, "")
	config, err := pgxpool.ParseConfig(bouncer.DSN(p.database, "default_query_exec_mode=exec"))
	require.NoError(t, err)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	o := postgres.Options{Table: newTable()}
	for _, s := range []*postgres.Store{postgres.NewPool(pool, o), postgres.New(stdlib.OpenDB(*config.ConnConfig), o)} {
		failed, err := atOnce(16, func(int) error { return s.Ping(t.Context()) })
		require.Zero(t, failed, "%v", err)
	}
	require.Equal(t, "0", p.Exec(t, p.database, "SELECT count(*) FROM pg_prepared_statements"))
}

// Calls of a store that New or NewPool was given nothing for, and of one that nobody made, fail.
func TestMisuse(t *testing.T) {
	invalid := stdlib.OpenDB(*ownPool(t, "host=127.0.0.1 port=1 user=u").Config().ConnConfig)
	defer invalid.Close()
	for want, s := range map[string]*postgres.Store{
		"given no database":       postgres.New(nil),
		"is nil; check the error": postgres.NewPool(nil),
		"was not made by New":     {},
		"given as table":          postgres.New(invalid, postgres.Options{Table: "a b"}),
	} {
		require.ErrorContains(t, s.Ping(t.Context()), want)
		_, err := s.Retrieve(t.Context(), "k")
		require.ErrorContains(t, err, want)
		require.NoError(t, s.Close())
	}
}
