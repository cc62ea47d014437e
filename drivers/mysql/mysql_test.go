package mysql

import (
	"database/sql"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

// volatile is a setting of servers whose writes need not survive the end of the server.
const volatile = "innodb-flush-log-at-trx-commit=0"

const implements = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(testserver.StartMariaDB(t, volatile)))
}

func TestHistories(t *testing.T) {
	histories.Run(t, target(testserver.StartMariaDB(t, volatile)), 3*time.Second)
}

func target(server testserver.MariaDB) drivertest.Target {
	tgt := drivertest.Target{
		Driver: Driver{},
		DSN:    func(t testing.TB) string { return newDSN(t, server, "") },
		BadDSN: []string{
			"", "/", "user@/", "u:pw@tcp(host:3306)", "user:password@tcp(host:0)/db", "u:pw@tcp(a,b)/db",
			"mysql://u:pw@host/db", "u:pw@tcp(host)/db?loc=Europe/Berlin", "u:pw@tcp(host)/db?a=1",
		},
		DeadDSN: dead,
		DownDSN: func(t testing.TB) (string, func()) {
			dsn := newDSN(t, server, "")
			addr, up := testserver.Later(t, address(t, dsn))
			return at(t, dsn, addr), up
		},
		Proxy: func(t testing.TB) (string, func(addr string) string) {
			dsn := newDSN(t, server, "")
			return address(t, dsn), func(addr string) string { return at(t, dsn, addr) }
		},
		ReadOnlyDSN: func(t testing.TB) string { return readOnly(t, server) },
		Neighbours:  func(t testing.TB) (a, b string) { return neighbours(t, server) },
		Corrupt:     map[string]func(t testing.TB, dsn, key string){},
		Implements:  implements,
		PageSize:    1000,
		Count:       count,
	}
	if server.Server != nil {
		tgt.Restart = func(testing.TB, string) { server.Stop(); server.Start() }
	}
	// A table that an operator has made may allow NULL.
	for column, definition := range map[string]string{
		"data": "MEDIUMBLOB", "meta": "VARBINARY(1024)", "created": "BIGINT", "expires": "BIGINT", "subject": "VARBINARY(255)", "version": "BIGINT",
	} {
		tgt.Corrupt["no "+column] = func(t testing.TB, dsn, key string) {
			db := direct(t, dsn)
			_, err := db.Exec("ALTER TABLE sessions MODIFY " + column + " " + definition + " NULL")
			require.NoError(t, err)
			_, err = db.Exec("UPDATE sessions SET "+column+" = NULL WHERE id = ?", key)
			require.NoError(t, err)
		}
	}
	return tgt
}

// newDSN returns the DSN of a new database, with the given parameters.
func newDSN(t testing.TB, server testserver.MariaDB, params string) string {
	t.Helper()
	return strings.TrimSuffix(server.DSN(server.NewDatabase(t), params), "?")
}

// address returns the address of the server that a DSN names.
func address(t testing.TB, dsn string) string {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	return d.config.Addr
}

// at returns a DSN with another address.
func at(t testing.TB, dsn, addr string) string {
	t.Helper()
	return strings.Replace(dsn, "("+address(t, dsn)+")", "("+addr+")", 1)
}

// open opens a store, and closes it when the test ends.
func open(t testing.TB, dsn string) driver.Store {
	t.Helper()
	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// direct opens the database of a DSN.
func direct(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	c, err := newConnector(d)
	require.NoError(t, err)
	db := sql.OpenDB(c)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func count(t testing.TB, dsn string) (rows int) {
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	c, err := newConnector(d)
	require.NoError(t, err)
	db := sql.OpenDB(c)
	defer db.Close()
	err = db.QueryRow(`SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM sessions_schema)`).Scan(&rows)
	require.NoError(t, err)
	return rows
}

// dead returns the DSN of a server that accepts connections and never answers.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return "user:password@tcp(" + l.Addr().String() + ")/db"
}

var users atomic.Int64

// readOnly returns the DSN of a store whose user may only read its tables.
func readOnly(t testing.TB, server testserver.MariaDB) string {
	database := server.NewDatabase(t)
	dsn := strings.TrimSuffix(server.DSN(database, ""), "?")
	require.NoError(t, open(t, dsn).(driver.Pinger).Ping(t.Context()))
	return as(t, dsn, grant(t, server, database, "SELECT"))
}

// grant creates a user with some privileges on a database, and returns the name and the password.
func grant(t testing.TB, server testserver.MariaDB, database, privileges string) string {
	name, password := fmt.Sprintf("reader%d_%d", users.Add(1), time.Now().UnixNano()%1_000_000), "secret-of-reader"
	server.Exec(t, "", "CREATE USER "+name+"@'%' IDENTIFIED BY '"+password+"'")
	t.Cleanup(func() {
		if server.Server == nil {
			server.Exec(t, "", "DROP USER "+name)
		}
	})
	server.Exec(t, "", "GRANT "+privileges+" ON `"+database+"`.* TO "+name+"@'%'")
	return name + ":" + password
}

// as returns a DSN with another account.
func as(t testing.TB, dsn, account string) string {
	t.Helper()
	_, rest, found := strings.Cut(dsn, "@tcp(")
	require.True(t, found)
	return account + "@tcp(" + rest
}

var pairs atomic.Int64

// neighbours returns two DSNs of tables in one database, whose names are alike in one of two ways.
func neighbours(t testing.TB, server testserver.MariaDB) (a, b string) {
	names := [][2]string{{"web", "web_"}, {"a_c", "abc"}}[pairs.Add(1)%2]
	database := server.NewDatabase(t)
	return server.DSN(database, "session_table="+names[0]), server.DSN(database, "session_table="+names[1])
}

func record(key string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"a":1}`), Created: now, Expires: now.Add(time.Hour), Subject: "ada"}
}
