package mysql

import (
	"database/sql"
	"fmt"
	"io"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("mysql", Driver{}) }

// Driver opens stores in MySQL and MariaDB databases by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. It does not connect; the first use does. The error quotes no part
// of dsn but the names of known parameters. All methods of the store are safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c, err := newConnector(d)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(d.maxConns)
	db.SetMaxIdleConns(d.maxConns)
	db.SetConnMaxLifetime(d.lifetime)
	db.SetConnMaxIdleTime(maxIdleTime)
	dialect := sqlstore.MySQL
	dialect.Explain = explain
	d.options.CallContexts = true
	return &store{sqlstore.New(db, dialect, d.options), db}, nil
}

// maxIdleTime is the time after which the store closes an idle connection: a firewall or a proxy on
// the way may drop it silently.
const maxIdleTime = time.Minute

// store is a sqlstore.Store that owns its database.
type store struct {
	*sqlstore.Store
	db *sql.DB
}

var (
	_ driver.Store            = (*store)(nil)
	_ driver.Toucher          = (*store)(nil)
	_ driver.Pinger           = (*store)(nil)
	_ driver.SubjectLister    = (*store)(nil)
	_ driver.SubjectDestroyer = (*store)(nil)
	_ driver.RenameTracker    = (*store)(nil)
)

// Close closes the connections. Calls in progress may fail.
func (s *store) Close() error {
	err := s.Store.Close()
	_ = s.db.Close() // fails only if the connection is lost already
	return err
}

// Format writes the name of the type for every verb, so that printing a store shows no DSN.
func (*store) Format(f fmt.State, _ rune) { io.WriteString(f, "mysql.store") }
