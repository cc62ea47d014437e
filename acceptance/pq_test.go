package acceptance

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

// A store in a database that the application has opened with lib/pq keeps the contract, with
// statements that it prepares.
func TestLibPQ(t *testing.T) {
	p := testserver.StartPostgres(t, "fsync=off")
	database := p.NewDatabase(t)
	db, err := sql.Open("postgres", p.DSN(database, ""))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	target := drivertest.Target{
		Open: func(table string) (driver.Store, error) {
			return postgres.New(db, postgres.Options{Table: table}), nil
		},
		DSN:        newName(),
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker,
		PageSize:   1000,
	}
	t.Run("conformance", func(t *testing.T) { drivertest.Run(t, target) })

	// Behind PgBouncer, lib/pq sends the arguments with the statement, and the store does not
	// prepare.
	pooled, err := sql.Open("postgres", testserver.StartPgBouncer(t, p).DSN(database, "binary_parameters=yes"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pooled.Close()) })
	for name, o := range map[string]postgres.Options{"bytea": {Unprepared: true}, "jsonb": {Unprepared: true, JSON: true}} {
		target.Open = func(table string) (driver.Store, error) {
			o.Table = name + table
			return postgres.New(pooled, o), nil
		}
		t.Run("histories behind PgBouncer, "+name, func(t *testing.T) { histories.Run(t, target, time.Second) })
	}
}

// newName returns a function that returns another name in each call.
func newName() func(testing.TB) string {
	var names atomic.Int64
	return func(testing.TB) string { return fmt.Sprint("t", names.Add(1)) }
}
