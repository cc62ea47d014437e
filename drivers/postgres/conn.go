package postgres

import (
	"context"
	"database/sql/driver"
	"errors"

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
	return conn{pgx}, nil
}

// conn is a connection of pgx. The store prepares no statements on it: pgx does.
type conn struct{ *stdlib.Conn }

var (
	_ driver.ConnPrepareContext = conn{}
	_ driver.ConnBeginTx        = conn{}
	_ driver.ExecerContext      = conn{}
	_ driver.QueryerContext     = conn{}
	_ driver.Pinger             = conn{}
	_ driver.SessionResetter    = conn{}
)

func (c conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.PrepareContext(sqlstore.CallContext(ctx), query)
}

func (c conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return c.Conn.BeginTx(sqlstore.CallContext(ctx), options)
}

func (c conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(sqlstore.CallContext(ctx), query, args)
}

func (c conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(sqlstore.CallContext(ctx), query, args)
}

func (c conn) Ping(ctx context.Context) error { return c.Conn.Ping(sqlstore.CallContext(ctx)) }

func (c conn) ResetSession(ctx context.Context) error {
	return c.Conn.ResetSession(sqlstore.CallContext(ctx))
}
