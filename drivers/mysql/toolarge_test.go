package mysql

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
	"gosession.dev/session/internal/testserver"
)

// packet is the max_allowed_packet of the server in TestLargerThanPacket.
const packet = 1 << 18

// own returns a store in an application's own database, which go-sql-driver has opened.
func own(t testing.TB, dsn string, options ...sqlstore.Options) *sqlstore.Store {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	config.Logger = &mysql.NopLogger{}
	c, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() }) // fails if a connection is lost
	return sqlstore.New(db, sqlstore.MySQL, options...)
}

// What is too large for max_allowed_packet of the server or for maxAllowedPacket of the client is
// ErrTooLarge, whether the server says so or closes the connection.
func TestLargerThanPacket(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile, fmt.Sprint("max_allowed_packet=", packet))
	if server.Server == nil {
		t.Skip("the test needs a server with a max_allowed_packet of its own")
	}
	dsn := func(params string) string { return newDSN(t, server, params) }
	for name, s := range map[string]driver.Store{
		"by DSN":                           open(t, dsn("")),
		"by DSN, with text":                open(t, dsn("interpolateParams=true")),
		"by DSN, with a larger packet":     open(t, dsn("maxAllowedPacket=67108864")),
		"by DSN, with a smaller packet":    open(t, dsn("maxAllowedPacket=70000")),
		"by DSN, with smaller text":        open(t, dsn("maxAllowedPacket=70000&interpolateParams=true")),
		"own database":                     own(t, dsn("")),
		"own database, asking":             own(t, dsn("maxAllowedPacket=0")),
		"own database, with text":          own(t, dsn("interpolateParams=true"), sqlstore.Options{Unprepared: true}),
		"own database, with parts as text": own(t, dsn("interpolateParams=true")),
	} {
		t.Run(name, func(t *testing.T) {
			most := limit(t, s, packet/8, 2*packet)
			t.Logf("largest data: %d bytes", most)
			require.Greater(t, most, packet*9/10, "largest data; the server accepts packets of %d bytes", packet)
			for _, size := range []int{1 << 20, 3 << 20, 17 << 20} {
				require.False(t, fits(t, s, size), "%d bytes", size)
			}
		})
	}
}

// What is too large for the column is ErrTooLarge.
func TestLargerThanColumn(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile, "max_allowed_packet=64M")
	dsn := newDSN(t, server, "")
	s := open(t, dsn)
	require.NoError(t, s.(driver.Pinger).Ping(t.Context()))
	db := direct(t, dsn)
	for column, most := range map[string]int{"BLOB": 1<<16 - 1, "MEDIUMBLOB": 1<<24 - 1, "VARBINARY(12000)": 12000} {
		_, err := db.Exec("ALTER TABLE sessions MODIFY data " + column + " NOT NULL")
		require.NoError(t, err)
		require.True(t, fits(t, s, most), "%d bytes in a %s", most, column)
		require.False(t, fits(t, s, most+1), "%d bytes in a %s", most+1, column)
	}
}

// limit returns the largest size of data that a store accepts, which is between two sizes.
func limit(t *testing.T, s driver.Store, low, high int) int {
	require.True(t, fits(t, s, low), "%d bytes", low)
	require.False(t, fits(t, s, high), "%d bytes", high)
	for low+1 < high {
		middle := (low + high) / 2
		if fits(t, s, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// fits reports whether a store accepts data of a size, in all writes or in none. If it does, the data
// can be read, and otherwise the old record stays.
func fits(t *testing.T, s driver.Store, size int) bool {
	t.Helper()
	ctx := t.Context()
	old := record(fmt.Sprint("old-", rand.Uint64()))
	require.NoError(t, s.Create(ctx, old))
	// The bytes from 0 to 249 in turn: a few of them are escaped in text.
	large := make([]byte, size)
	for i := range large {
		large[i] = byte(i % 250)
	}
	version := old.Version
	accepted := map[bool]int{}
	for name, write := range map[string]func(r *driver.Record) error{
		"Flush":    func(r *driver.Record) error { return s.Flush(ctx, r) },
		"Create":   func(r *driver.Record) error { r.Key = "new-" + r.Key; return s.Create(ctx, r) },
		"ChangeID": func(r *driver.Record) error { r.Key = "moved-" + r.Key; return s.ChangeID(ctx, old.Key, r) },
	} {
		r := *old
		r.Data = large
		err := write(&r)
		if err != nil && !errors.Is(err, driver.ErrConflict) && !errors.Is(err, driver.ErrNotFound) {
			require.ErrorIs(t, err, driver.ErrTooLarge, "%s of %d bytes", name, size)
		}
		accepted[err == nil || !errors.Is(err, driver.ErrTooLarge)]++
		if err != nil {
			if accepted[true] == 0 {
				got, err := s.Retrieve(ctx, old.Key)
				require.NoError(t, err, "Retrieve after %s of %d bytes", name, size)
				require.Equal(t, version, got.Version)
				require.Equal(t, old.Data, got.Data)
			}
			continue
		}
		got, err := s.Retrieve(ctx, r.Key)
		require.NoError(t, err, "Retrieve after %s of %d bytes", name, size)
		require.True(t, bytes.Equal(large, got.Data), "data of %d bytes after %s", size, name)
		require.NoError(t, s.Destroy(ctx, r.Key))
	}
	if size > packet*9/10 && size < packet+100 { // statements differ in length
		return accepted[true] > accepted[false]
	}
	require.Len(t, accepted, 1, "results of writes of %d bytes", size)
	return accepted[true] > 0
}
