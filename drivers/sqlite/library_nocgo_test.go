//go:build !cgo

package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gosession.dev/session/drivers/sqlstore"
)

// SQLDriver is the name under which the library registers its SQL driver.
const SQLDriver = "sqlite"

// Unwrap is for sqlite.Limit.
func (c *conn) Unwrap() driver.Conn { return c.libraryConn }

func (c moderncConn) Unwrap() driver.Conn { return c.libraryConn }

// limitLength sets the maximum length of values for a connection.
func limitLength(t *testing.T, c *sql.Conn, bytes int) {
	t.Helper()
	_, err := sqlite.Limit(c, sqlite3.SQLITE_LIMIT_LENGTH, bytes)
	require.NoError(t, err)
}

// A value whose size does not fit into 32 bits is refused, and not cut.
func TestHugeValue(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("there are no such values")
	}
	size := math.MaxInt32
	huge := make([]byte, size+1) // pages that the test does not touch take no memory
	db := open(t, ":memory:").(*store).db
	_, err := db.Exec("SELECT length(?1)", huge)
	require.True(t, sqlstore.SQLite.IsTooLarge(err), "error %v of a huge value", err)
	stmt, err := db.Prepare("SELECT length(?1)")
	require.NoError(t, err)
	defer stmt.Close()
	_, err = stmt.Exec(huge)
	require.True(t, sqlstore.SQLite.IsTooLarge(err), "error %v of a huge value", err)
}
