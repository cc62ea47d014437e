//go:build !cgo

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"math"
)

// moderncConn is a connection of modernc.org/sqlite that treats large and empty values as go-sqlite3
// does.
type moderncConn struct{ libraryConn }

var (
	_ driver.NamedValueChecker = moderncConn{}
	_ driver.SessionResetter   = moderncConn{}
	_ driver.Validator         = moderncConn{}
)

// errTooLarge has SQLite's text for a value over its limit, by which package sqlstore recognizes it.
var errTooLarge = errors.New("string or blob too big")

// CheckNamedValue refuses a value whose size does not fit into 32 bits. The library would store a
// part of it.
func (moderncConn) CheckNamedValue(v *driver.NamedValue) error {
	size := 0
	switch value := v.Value.(type) {
	case string:
		size = len(value)
	case []byte:
		size = len(value)
	}
	if size > math.MaxInt32 {
		return errTooLarge
	}
	return driver.ErrSkip // the rules of package database/sql apply
}

func (c moderncConn) ResetSession(ctx context.Context) error {
	return c.libraryConn.(driver.SessionResetter).ResetSession(ctx)
}

// IsValid reports false after a statement was interrupted: SQLite might interrupt the next one too.
func (c moderncConn) IsValid() bool { return c.libraryConn.(driver.Validator).IsValid() }

func (c moderncConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.libraryConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return moderncStmt{stmt.(libraryStmt)}, nil
}

func (c moderncConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return notNull(c.libraryConn.QueryContext(ctx, query, args))
}

// libraryStmt is a prepared statement of the library.
type libraryStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// moderncStmt is a prepared statement of a moderncConn.
type moderncStmt struct{ libraryStmt }

func (s moderncStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return notNull(s.libraryStmt.QueryContext(ctx, args))
}

// moderncRows returns an empty blob as an empty slice. The library returns a nil slice, which is NULL
// for a caller that scans it into a []byte.
type moderncRows struct{ driver.Rows }

func notNull(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return moderncRows{rows}, nil
}

func (r moderncRows) Next(values []driver.Value) error {
	if err := r.Rows.Next(values); err != nil {
		return err
	}
	for i, value := range values {
		if b, ok := value.([]byte); ok && b == nil {
			values[i] = []byte{}
		}
	}
	return nil
}
