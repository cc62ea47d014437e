package postgres_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

const features = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker

// place is a database in which tests have tables of their own.
type place struct {
	testserver.Postgres
	database string
	params   string // of each DSN
}

// newPlace starts a server that loses nothing when it is killed, but in a power failure.
func newPlace(t testing.TB, params string) place {
	server := testserver.StartPostgres(t, "fsync=off")
	return place{server, server.NewDatabase(t), params}
}

var tables atomic.Int64

// newTable returns a name that no other test uses.
func newTable() string { return fmt.Sprint("t", tables.Add(1)) }

// dsn returns a DSN for a table.
func (p place) dsn(table string, more ...string) string {
	params := append([]string{p.params, "session_table=" + table}, more...)
	return p.DSN(p.database, strings.Trim(strings.Join(params, "&"), "&"))
}

// at returns dsn for a client that reaches the server at addr.
func at(t testing.TB, dsn, addr string) string {
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host = addr
	return u.String()
}

// addrOf returns the address of the server.
func (p place) addr(t testing.TB) string {
	u, err := url.Parse(p.DSN(p.database, ""))
	require.NoError(t, err)
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "5432"))
}

// param returns a parameter of a DSN.
func param(t testing.TB, dsn, name, otherwise string) string {
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	return cmp.Or(u.Query().Get(name), otherwise)
}

// target returns the target of the suite, with tables of their own as stores.
func (p place) target() drivertest.Target {
	tgt := drivertest.Target{
		Driver: postgres.Driver{},
		DSN:    func(testing.TB) string { return p.dsn(newTable()) },
		BadDSN: []string{
			"", "host", "postgres:/host/db", "postgres://host/db?session_table=a-b", "postgres://host/db?session_tabel=x",
			"postgres://host/db?sslmode=", "postgres://host/db?sslmode=no", "postgres://host/db?dbname=a&database=b",
			"postgres://host/db?target_session_attrs=standby", "host=h session_table='x", "mysql://host/db",
		},
		Implements: features,
		DeadDSN:    dead,
		DownDSN: func(t testing.TB) (string, func()) {
			addr, up := testserver.Later(t, p.addr(t))
			return at(t, p.dsn(newTable()), addr), up
		},
		Proxy: func(t testing.TB) (string, func(addr string) string) {
			dsn := p.dsn(newTable())
			return p.addr(t), func(addr string) string { return at(t, dsn, addr) }
		},
		ReadOnlyDSN: p.readOnly,
		Neighbours:  p.neighbours,
		PageSize:    1000,
		Count:       p.count,
		Corrupt: map[string]func(t testing.TB, dsn, key string){
			"expires is NULL": p.damage("expires = NULL"),
			"created is NULL": p.damage("created = NULL"),
			"version is NULL": p.damage("version = NULL"),
			"data is NULL":    p.damage("{data} = NULL"),
			"meta is NULL":    p.damage("meta = NULL"),
			"subject is NULL": p.damage("subject = NULL"),
		},
	}
	if p.Server != nil {
		tgt.Restart = func(testing.TB, string) { p.Stop(); p.Start() }
	}
	return tgt
}

// dead returns the DSN of a server that accepts connections and never answers.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return "postgres://u:p@" + l.Addr().String() + "/db?sslmode=disable"
}

// readOnly returns the DSN of a user who may read a table that has been made.
func (p place) readOnly(t testing.TB) string {
	table, user := newTable(), newTable()+"reader"
	dsn := p.dsn(table)
	s := open(t, dsn)
	require.NoError(t, s.Ping(t.Context()))
	p.Exec(t, p.database, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'abc'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]s", user))
	t.Cleanup(func() { p.Exec(t, p.database, fmt.Sprintf("DROP OWNED BY %s; DROP ROLE %[1]s", user)) })
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.User = url.UserPassword(user, "abc")
	return u.String()
}

// neighbours returns the DSNs of two tables. One name begins with the other, or matches it as a
// pattern.
func (p place) neighbours(testing.TB) (a, b string) {
	name := newTable()
	if tables.Load()%2 == 0 {
		return p.dsn(name), p.dsn(name + "_2")
	}
	return p.dsn(name + "a_c"), p.dsn(name + "abc")
}

// count returns the number of rows in the tables of a store.
func (p place) count(t testing.TB, dsn string) int {
	var terms []string
	for _, suffix := range []string{"", "_schema"} {
		terms = append(terms, `(SELECT count(*) FROM "`+param(t, dsn, "session_table", "sessions")+suffix+`")`)
	}
	rows, err := strconv.Atoi(p.Exec(t, p.database, "SELECT "+strings.Join(terms, " + ")))
	require.NoError(t, err)
	return rows
}

// damage returns a function that changes a row, after removing the constraint of its column.
func (p place) damage(change string) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) {
		table := strconv.Quote(param(t, dsn, "session_table", "sessions"))
		change := strings.ReplaceAll(change, "{data}", strconv.Quote(param(t, dsn, "session_data_column", "data")))
		column, _, _ := strings.Cut(change, " ")
		p.Exec(t, p.database, "ALTER TABLE "+table+" ALTER COLUMN "+column+" DROP NOT NULL")
		p.Exec(t, p.database, "UPDATE "+table+" SET "+change+" WHERE "+strconv.Quote(param(t, dsn, "session_id_column", "id"))+" = '"+key+"'")
	}
}

// open returns a store of the driver, which ends with the test.
func open(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(*postgres.Store)
}

// connect returns a database that is closed with the test.
func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func record(key string, ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"items":3}`), Meta: []byte{1}, Created: now, Expires: now.Add(ttl), Subject: "user:1"}
}
