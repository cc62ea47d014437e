package sqlite

import (
	"database/sql"
	"errors"
	"runtime"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("sqlite", Driver{}) }

// Driver opens stores in SQLite files by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. It does not open the file; the first use does. The error quotes no
// part of dsn but the names of known parameters. All methods of the store are safe for concurrent
// use.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c := &connector{dsn: d, size: max(16, 2*runtime.GOMAXPROCS(0))}
	if d.single {
		c.size = 1
	}
	c.pool = sql.OpenDB(c)
	c.pool.SetMaxOpenConns(c.size)
	c.pool.SetMaxIdleConns(c.size)
	c.register()
	dialect := sqlstore.SQLite
	dialect.Explain = func(err error) string {
		if mayEndWithConnection(err) {
			c.dropConnections()
		}
		return explain(err)
	}
	return &store{sqlstore.New(c.pool, dialect, d.options), c.pool, c}, nil
}

// store is a sqlstore.Store that owns its database.
type store struct {
	*sqlstore.Store
	db *sql.DB
	c  *connector
}

var (
	_ driver.Store            = (*store)(nil)
	_ driver.Toucher          = (*store)(nil)
	_ driver.Pinger           = (*store)(nil)
	_ driver.SubjectLister    = (*store)(nil)
	_ driver.SubjectDestroyer = (*store)(nil)
	_ driver.RenameTracker    = (*store)(nil)
)

func (s *store) Close() error {
	s.c.unregister()
	err := s.Store.Close()
	if dbErr := s.db.Close(); dbErr != nil {
		err = errors.Join(err, errors.New(explain(dbErr)))
	}
	s.c.unpin()
	return err
}
