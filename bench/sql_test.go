package bench

import (
	"database/sql"
	"testing"

	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/postgresstore"
	"github.com/alexedwards/scs/v2"
	"github.com/gin-contrib/sessions"
	ginpostgres "github.com/gin-contrib/sessions/postgres"
	"github.com/jackc/pgx/v5/pgxpool"

	"gosession.dev/session/internal/testserver"
)

// The servers do not wait for the disk, which would take most of the time of a write and vary.

func postgresDSN(b *testing.B) string {
	server := testserver.StartPostgres(b, "fsync=off")
	return server.DSN(server.NewDatabase(b), "")
}

func mysqlDSN(b *testing.B) string {
	server := testserver.StartMariaDB(b, "innodb_flush_log_at_trx_commit=0")
	return server.DSN(server.NewDatabase(b), "")
}

func openPostgres(b *testing.B) *sql.DB { return openDB(b, "pgx", postgresDSN(b)) }

// openMySQL opens a database for several statements in one Exec, and for times as time.Time.
func openMySQL(b *testing.B) *sql.DB {
	return openDB(b, "mysql", mysqlDSN(b)+"&multiStatements=true&parseTime=true")
}

func scsPostgres(b *testing.B) scs.Store {
	db := openPostgres(b)
	scsTable(b, db, `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)`)
	return postgresstore.NewWithCleanupInterval(db, 0)
}

func scsPGX(b *testing.B) scs.Store {
	dsn := postgresDSN(b)
	scsTable(b, openDB(b, "pgx", dsn), `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)`)
	pool, err := pgxpool.New(b.Context(), dsn+"&pool_max_conns=32")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pgxstore.NewWithCleanupInterval(pool, 0)
}

func scsMySQL(b *testing.B) scs.Store {
	db := openMySQL(b)
	scsTable(b, db, `CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data MEDIUMBLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)`)
	return mysqlstore.NewWithCleanupInterval(db, 0)
}

// scsTable creates the table that the documentation of scs shows.
func scsTable(b *testing.B, db *sql.DB, table string) {
	for _, statement := range []string{table, `CREATE INDEX sessions_expiry_idx ON sessions (expiry)`} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
}

func ginPostgres(b *testing.B) sessions.Store {
	store, err := ginpostgres.NewStore(openPostgres(b), gorillaKeys()...)
	if err != nil {
		b.Fatal(err)
	}
	return store
}
