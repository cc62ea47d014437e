package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"

	"gosession.dev/session/drivers/sqlstore"
)

// connector is a [driver.Connector] around that of go-sql-driver.
type connector struct {
	driver.Connector
	isolation string        // a statement
	timeout   time.Duration // to connect
}

func newConnector(d dsn) (*connector, error) {
	setsDeadlines := d.config.ReadTimeout > 0 || d.config.WriteTimeout > 0
	opensNetwork := d.config.Net == "tcp" || d.config.Net == "unix" // other networks are the application's
	if opensNetwork && !setsDeadlines {
		d.config.DialFunc = dial
	}
	inner, err := mysql.NewConnector(d.config)
	if err != nil {
		return nil, errMalformed
	}
	return &connector{inner, "SET SESSION TRANSACTION ISOLATION LEVEL " + d.isolation, d.connect}, nil
}

// Connect opens a connection, within the connector's timeout: package sql also connects in the
// background, without the context of a call, and a server may accept a connection and never answer.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	var network net.Conn // stays nil if the application opens it, or go-sql-driver sets its deadlines
	ctx = context.WithValue(sqlstore.CallContext(ctx), dialed{}, &network)
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
			return &conn{connection: connection, limit: sqlstore.NewLimit(network)}, nil
		}
		_ = inner.Close()
	}
	if context.Cause(ctx) == errConnect {
		return nil, errConnect
	}
	return nil, err
}

// dialed is the key under which the context of Connect has a *net.Conn for dial to set.
type dialed struct{}

// dial opens the network connection of a connection.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	opened, err := new(net.Dialer).DialContext(ctx, network, addr)
	if into, ok := ctx.Value(dialed{}).(*net.Conn); ok && err == nil {
		*into = opened
	}
	return opened, err
}
