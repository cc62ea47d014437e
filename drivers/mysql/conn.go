package mysql

import (
	"context"
	"database/sql/driver"

	"gosession.dev/session/drivers/sqlstore"
)

// connection has the methods of go-sql-driver's connection.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// conn is a connection that ends when the context of a call ends during the call. Go-sql-driver's
// connection does that too, unless it gets a context that can't end, but with a goroutine that wakes
// twice for each call. Its transactions do not: Commit and Rollback wait for a server that does not
// answer.
type conn struct {
	connection
	limit sqlstore.Limit
}

func (c *conn) IsValid() bool { return !c.limit.Broken() && c.connection.IsValid() }

func (c *conn) ResetSession(ctx context.Context) error {
	if c.limit.Broken() {
		return driver.ErrBadConn
	}
	return c.connection.ResetSession(ctx)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer c.limit.End()
	prepared, err := c.connection.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{prepared.(statement), c}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer c.limit.End()
	return c.connection.ExecContext(ctx, query, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.connection.QueryContext(ctx, query, args)
	return c.rows(found, err)
}

func (c *conn) Ping(ctx context.Context) error {
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return err
	}
	defer c.limit.End()
	return c.connection.Ping(ctx)
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	inner, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer c.limit.End()
	if _, err := c.connection.BeginTx(inner, options); err != nil {
		return nil, err
	}
	return tx{ctx, c}, nil
}

// tx is a transaction that ends with the context that it began with.
type tx struct {
	ctx context.Context
	c   *conn
}

func (t tx) Commit() error { return t.end("COMMIT") }

func (t tx) Rollback() error { return t.end("ROLLBACK") }

// end ends the transaction. If the context is done, it closes the connection instead: the server
// then rolls back, and package sql does not use the connection again.
func (t tx) end(statement string) error {
	if err := sqlstore.CallContext(t.ctx).Err(); err != nil {
		_ = t.c.connection.Close()
		return err
	}
	_, err := t.c.ExecContext(t.ctx, statement, nil)
	return err
}

// statement has the methods of go-sql-driver's prepared statement.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

// stmt is a prepared statement of a conn.
type stmt struct {
	statement
	c *conn
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := s.c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer s.c.limit.End()
	return s.statement.ExecContext(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := s.c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.statement.QueryContext(ctx, args)
	return s.c.rows(found, err)
}

// rows are the rows of a query, whose call ends when they are closed.
type rows struct {
	driver.Rows
	c *conn
}

// rows returns the rows of a query, or ends its call.
func (c *conn) rows(found driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		c.limit.End()
		return nil, err
	}
	return &rows{found, c}, nil
}

func (r *rows) Close() error {
	defer r.c.limit.End()
	return r.Rows.Close()
}
