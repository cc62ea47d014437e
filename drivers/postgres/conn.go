package postgres

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"gosession.dev/session/drivers/sqlstore"
)

// connector is a [driver.Connector] for an exclusive store: its connections take the context of a
// call from [sqlstore.CallContext].
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(sqlstore.CallContext(ctx))
	if err != nil {
		return nil, err
	}
	pgx, ok := inner.(*stdlib.Conn)
	if !ok {
		_ = inner.Close()
		return nil, errors.New("postgres: the connection is not one of pgx")
	}
	return &conn{Conn: pgx, limit: sqlstore.NewLimit(pgx.Conn().PgConn().Conn())}, nil
}

// conn is a connection of pgx that ends when the context of a call ends during the call. Pgx does
// that too, unless it gets a context that can't end, but sets up two functions and a timer for each
// call. The store prepares no statements on the connection: pgx does.
type conn struct {
	*stdlib.Conn
	limit sqlstore.Limit
}

var (
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
)

func (c *conn) IsValid() bool { return !c.limit.Broken() && !c.Conn.Conn().IsClosed() }

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.PrepareContext(sqlstore.CallContext(ctx), query)
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return c.Conn.BeginTx(sqlstore.CallContext(ctx), options)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer c.limit.End()
	return c.Conn.ExecContext(ctx, query, args)
}

// QueryContext executes a query, and reads its first row: before, it is not known whether the query
// fails.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if !c.IsValid() {
		return nil, driver.ErrBadConn
	}
	ctx, err := c.limit.Begin(ctx)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg.Value
	}
	found, err := c.Conn.Conn().Query(ctx, query, values...)
	if err == nil {
		r := &rows{Rows: found, c: c, ahead: found.Next()}
		if err = found.Err(); err == nil {
			return r, nil
		}
		found.Close()
	}
	c.limit.End()
	if pgconn.SafeToRetry(err) {
		return nil, driver.ErrBadConn
	}
	return nil, err
}

func (c *conn) Ping(ctx context.Context) error { return c.Conn.Ping(sqlstore.CallContext(ctx)) }

func (c *conn) ResetSession(ctx context.Context) error {
	return c.Conn.ResetSession(sqlstore.CallContext(ctx))
}
