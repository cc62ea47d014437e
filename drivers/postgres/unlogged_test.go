package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
)

// A crash of the server empties unlogged tables. A store that was in use, and a new one, go on at
// once.
func TestCrashOfUnloggedTables(t *testing.T) {
	ctx := t.Context()
	p := newPlace(t, "")
	if p.Server == nil {
		t.Skip("a server that the test has not started can't be killed")
	}
	logged := open(t, p.dsn("logged"))
	require.NoError(t, logged.Create(ctx, record("k", time.Hour)))
	dsn := p.dsn("unlogged", "unlogged=true")
	s := open(t, dsn)
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	r := record("old", time.Hour)
	require.NoError(t, s.Create(ctx, r))
	r.Key = "new"
	require.NoError(t, s.ChangeID(ctx, "old", r))
	require.Equal(t, "unlogged", p.Exec(t, p.database, "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY relname"))
	for range 2 {
		p.Stop()
		p.Start()
		for _, s := range []*postgres.Store{s, open(t, dsn)} {
			_, err := s.Retrieve(ctx, "k")
			require.ErrorIs(t, err, driver.ErrNotFound)
			_, err = s.Renamed(ctx, "old")
			require.ErrorIs(t, err, driver.ErrNotFound)
			require.NoError(t, s.Ping(ctx))
			require.NoError(t, s.Create(ctx, record("k", time.Hour)))
			require.NoError(t, s.Destroy(ctx, "k"))
		}
	}
	_, err := logged.Retrieve(ctx, "k")
	require.NoError(t, err)
}

// The store says what it loses, and refuses a table or a connection that would lose more.
func TestLoses(t *testing.T) {
	p := newPlace(t, "")
	for params, loses := range map[string]string{
		"unlogged=true":          "a crash of the PostgreSQL server empties the table of sessions, which is unlogged",
		"synchronous_commit=off": "a crash of the PostgreSQL server loses the last writes, because synchronous_commit is off",
		"unlogged=false":         "",
	} {
		s := open(t, p.dsn(newTable(), params))
		require.Equal(t, loses, s.Loses(), params)
		require.NoError(t, s.Ping(t.Context()))
	}
	table := newTable()
	require.NoError(t, open(t, p.dsn(table, "unlogged=true")).Ping(t.Context()))
	require.ErrorContains(t, open(t, p.dsn(table)).Ping(t.Context()), "the table is unlogged")
	p.Exec(t, p.database, "ALTER TABLE "+table+" SET LOGGED")
	require.NoError(t, open(t, p.dsn(table)).Ping(t.Context()))

	p.Exec(t, p.database, "ALTER DATABASE "+p.database+" SET synchronous_commit = off")
	require.ErrorContains(t, open(t, p.dsn(table)).Ping(t.Context()), "synchronous_commit=on in the DSN")
	for _, accepts := range []string{"synchronous_commit=on", "synchronous_commit=off", "unlogged=true"} {
		require.NoError(t, open(t, p.dsn(table, accepts)).Ping(t.Context()))
	}
}
