package mysql_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivers/mysql"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(testserver.StartMariaDB(t, "innodb-flush-log-at-trx-commit=0")))
}

func TestHistories(t *testing.T) {
	histories.Run(t, target(testserver.StartMariaDB(t, "innodb-flush-log-at-trx-commit=0")), 3*time.Second)
}

func target(server testserver.MariaDB) drivertest.Target {
	return drivertest.Target{
		Driver:     mysql.Driver{},
		DSN:        func(t testing.TB) string { return server.DSN(server.NewDatabase(t), "") },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker,
		PageSize:   1000,
		Count: func(t testing.TB, dsn string) (rows int) {
			db, err := sql.Open("mysql", dsn)
			require.NoError(t, err)
			defer db.Close()
			err = db.QueryRow(`SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM sessions_marks) + (SELECT count(*) FROM sessions_schema)`).Scan(&rows)
			require.NoError(t, err)
			return rows
		},
	}
}
