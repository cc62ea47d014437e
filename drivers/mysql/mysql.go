// Package mysql keeps sessions in a table of a MySQL or MariaDB database.
package mysql

import (
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("mysql", Driver{}) }

// Driver opens stores in MySQL and MariaDB databases by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. It does not connect; the first use does.
func (Driver) Open(dsn string) (driver.Store, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("mysql: the DSN is malformed; want user:password@tcp(host:3306)/database")
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errors.New("mysql: the DSN can't be used")
	}
	return sqlstore.New(sql.OpenDB(connector), sqlstore.MySQL), nil
}
