package sqlite

import (
	"context"
	"database/sql/driver"
)

// conn is a connection to the file. It fails with driver.ErrBadConn after the file was replaced,
// because other processes would not see its changes.
type conn struct {
	libraryConn
	c          *connector
	generation int64
	fresh      bool // whether the connection was never used
}

var (
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
)

// IsValid reports whether the pool may keep the connection.
func (c *conn) IsValid() bool {
	library, checks := c.libraryConn.(driver.Validator)
	return c.isPresent() && (!checks || library.IsValid())
}

// isPresent reports whether the connection is of the present generation.
func (c *conn) isPresent() bool { return c.generation == c.c.generations.present.Load() }

// Close closes the connection. The pool calls it once.
func (c *conn) Close() error {
	err := c.libraryConn.Close()
	c.c.generations.leave(c.generation)
	return err
}

// ResetSession checks the connection. The pool calls it before each use but the first.
func (c *conn) ResetSession(ctx context.Context) error {
	if !c.isPresent() {
		return driver.ErrBadConn
	}
	if library, resets := c.libraryConn.(driver.SessionResetter); resets {
		if err := library.ResetSession(ctx); err != nil {
			return err
		}
	}
	return c.checkFile()
}

// CheckNamedValue lets the library refuse an argument. Otherwise the rules of package database/sql
// apply.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if library, checks := c.libraryConn.(driver.NamedValueChecker); checks {
		return library.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// begin checks the file before the first use of the connection, for which the pool does not call
// ResetSession, though the connection may have waited in the pool. It does not check isPresent: a
// connection of an earlier generation serves its first call, because the pool may have no attempt
// left.
func (c *conn) begin() error {
	if c.fresh {
		return c.checkFile()
	}
	return nil
}

// checkFile returns driver.ErrBadConn if the file was replaced.
func (c *conn) checkFile() error {
	c.fresh = false
	if c.c.file.Load() == nil {
		return nil
	}
	if _, err := c.c.unmoved(); err != nil {
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.libraryConn.PrepareContext(ctx, query)
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.libraryConn.BeginTx(ctx, opts)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.libraryConn.ExecContext(ctx, query, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c.libraryConn.QueryContext(ctx, query, args)
}
