package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"
)

// connector is a [driver.Connector] around that of go-sql-driver.
type connector struct {
	driver.Connector
	isolation string        // a statement
	timeout   time.Duration // to connect
}

func newConnector(d dsn) (*connector, error) {
	inner, err := mysql.NewConnector(d.config)
	if err != nil {
		return nil, errMalformed
	}
	return &connector{inner, "SET SESSION TRANSACTION ISOLATION LEVEL " + d.isolation, d.connect}, nil
}

// Connect opens a connection, within the connector's timeout: package sql also connects in the
// background, without the context of a call, and a server may accept a connection and never answer.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errConnect)
	defer cancel()
	inner, err := c.Connector.Connect(ctx)
	if err == nil {
		connection, ok := inner.(connection)
		if !ok {
			_ = inner.Close()
			return nil, errors.New("the connection lacks methods of go-sql-driver 1.10")
		}
		if _, err = connection.ExecContext(ctx, c.isolation, nil); err == nil {
			return conn{connection}, nil
		}
		_ = inner.Close()
	}
	if context.Cause(ctx) == errConnect {
		return nil, errConnect
	}
	return nil, err
}

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

// conn is a connection whose transactions end with the context that they began with. Commit and
// Rollback of go-sql-driver have no context: they wait for a server that does not answer.
type conn struct{ connection }

func (c conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if _, err := c.connection.BeginTx(ctx, options); err != nil {
		return nil, err
	}
	return tx{ctx, c.connection}, nil
}

type tx struct {
	ctx  context.Context
	conn connection
}

func (t tx) Commit() error { return t.end("COMMIT") }

func (t tx) Rollback() error { return t.end("ROLLBACK") }

// end ends the transaction. If the context is done, it closes the connection instead: the server
// then rolls back, and package sql does not use the connection again.
func (t tx) end(statement string) error {
	if err := t.ctx.Err(); err != nil {
		_ = t.conn.Close()
		return err
	}
	_, err := t.conn.ExecContext(t.ctx, statement, nil)
	return err
}
