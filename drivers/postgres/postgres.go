// Package postgres keeps sessions in a table of a PostgreSQL database.
package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("postgres", Driver{}) }

// Driver opens stores in PostgreSQL databases by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. It does not connect; the first use does.
func (Driver) Open(dsn string) (driver.Store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("postgres: the DSN is malformed; want postgres://user:password@host/database")
	}
	return sqlstore.New(stdlib.OpenDB(*config), sqlstore.PostgreSQL), nil
}
