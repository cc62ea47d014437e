package postgres

import (
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("postgres", Driver{}) }

// Driver opens stores in PostgreSQL databases by DSN; see the package comment.
type Driver struct{}

// Open returns a [*Store] for dsn. It does not connect; the first use does. It reads the files that
// the DSN or the environment names: certificates, the password file, and the service file. The error
// quotes no part of dsn but the names of known parameters.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*d.config, stdlib.OptionShouldPing(shouldPing))})
	db.SetMaxOpenConns(d.pool.maxConns)
	db.SetMaxIdleConns(d.pool.maxConns)
	db.SetConnMaxLifetime(d.pool.lifetime)
	db.SetConnMaxIdleTime(d.pool.idleTime)
	d.options.Unprepared = true // pgx prepares the statements, and keeps them
	s := newStore(db, d.options, d.loses, true)
	s.own = db
	return s, nil
}

// Options configure a store that [New] or [NewPool] returns. The zero value is the default. The
// package comment describes the fields by the parameters of the DSN that do the same.
type Options struct {
	// Table, IDColumn and DataColumn name the table and two of its columns, as session_table,
	// session_id_column and session_data_column do. The defaults are "sessions", "id" and "data".
	Table, IDColumn, DataColumn string

	// JSON declares that the column of the values has the type jsonb, json, text or varchar, as
	// data=jsonb does.
	JSON bool

	// Unlogged makes the store create tables that a crash of the server empties, as unlogged=true
	// does.
	Unlogged bool

	// Unprepared declares that the store must not prepare statements, because a pooler of
	// connections such as PgBouncer in transaction mode does not keep them. It matters only if
	// the SQL driver is not pgx: with pgx, set its DefaultQueryExecMode instead.
	Unprepared bool
}

func (o Options) sqlstore() sqlstore.Options {
	return sqlstore.Options{Table: o.Table, IDColumn: o.IDColumn, DataColumn: o.DataColumn, JSON: o.JSON, Unprepared: o.Unprepared}
}

// New returns a store in a database that the application has opened with package stdlib of pgx or
// with lib/pq. It does not connect. Closing the store does not close db. New uses the first of
// options, if any. If the arguments are invalid, every call of the store returns an error that says
// so; call Ping at start.
func New(db *sql.DB, options ...Options) *Store {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	if db != nil {
		if _, isPgx := db.Driver().(*stdlib.Driver); isPgx {
			o.Unprepared = true // pgx prepares the statements, and keeps them
		}
	}
	return newStore(db, o, "", false)
}

// NewPool is New for a pool of pgx. The pool's DefaultQueryExecMode decides whether pgx prepares the
// statements; [Options].Unprepared is not used. Closing the store does not close the pool.
func NewPool(pool *pgxpool.Pool, options ...Options) *Store {
	if pool == nil {
		return New(nil, options...)
	}
	db := stdlib.OpenDBFromPool(pool)
	s := New(db, options...)
	s.own = db
	return s
}
