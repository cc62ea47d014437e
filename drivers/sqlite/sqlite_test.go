package sqlite_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

const features = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker

func target() drivertest.Target {
	return drivertest.Target{
		Driver:     sqlite.Driver{},
		DSN:        func(t testing.TB) string { return "file:" + filepath.Join(t.TempDir(), "s.db") },
		BadDSN:     []string{"", "file:", "s.db?table=a-b", "s.db?_buzy_timeout=1", "file://elsewhere/s.db"},
		Implements: features,
		DownDSN: func(t testing.TB) (string, func()) {
			dir := filepath.Join(t.TempDir(), "made-later")
			return "file:" + filepath.Join(dir, "s.db"), func() { require.NoError(t, os.Mkdir(dir, 0o700)) }
		},
		ReadOnlyDSN: readOnlyDSN,
		Neighbours:  func(t testing.TB) (a, b string) { return neighbours(t, "web", "web_2") },
		Corrupt:     damages,
		Count:       count,
	}
}

// count returns the number of rows in all tables of a file.
func count(t testing.TB, dsn string) (rows int) {
	path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	db, err := sql.Open(sqlite.SQLDriver, path)
	require.NoError(t, err)
	defer db.Close()
	var all string
	require.NoError(t, db.QueryRow(`SELECT 'SELECT 0' || group_concat(' + (SELECT count(*) FROM "' || name || '")', '') FROM sqlite_master WHERE type = 'table'`).Scan(&all))
	require.NoError(t, db.QueryRow(all).Scan(&rows))
	return rows
}

// readOnlyDSN returns a read-only DSN of a file that has the tables.
func readOnlyDSN(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := sqlite.Driver{}.Open(path)
	require.NoError(t, err)
	require.NoError(t, s.(driver.Pinger).Ping(t.Context()))
	require.NoError(t, s.Close())
	return path + "?mode=ro"
}

// neighbours returns the DSNs of two tables in a file.
func neighbours(t testing.TB, a, b string) (string, string) {
	path := filepath.Join(t.TempDir(), "both.db") + "?table="
	return path + a, path + b
}

var damages = map[string]func(t testing.TB, dsn, key string){
	"expires is text":    damage("expires = 'tomorrow'"),
	"expires is a float": damage("expires = 1.5e300"),
	"expires is bytes":   damage("expires = x'00'"),
	"expires is NULL":    damage("expires = NULL"),
	"created is text":    damage("created = 'yesterday'"),
	"version is text":    damage("version = 'one'"),
	"version is NULL":    damage("version = NULL"),
	"data is NULL":       damage("{data} = NULL"),
	"meta is NULL":       damage("meta = NULL"),
	"subject is NULL":    damage("subject = NULL"),
}

// damage returns a function that changes a row by SQL, after removing the table's constraints.
func damage(change string) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) {
		path, query, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		params, err := url.ParseQuery(query)
		require.NoError(t, err)
		name := func(param, otherwise string) string { return strconv.Quote(cmp.Or(params.Get(param), otherwise)) }
		table, id := name("table", "sessions"), name("id_column", "id")
		change := strings.ReplaceAll(change, "{data}", name("data_column", "data"))
		db, err := sql.Open(sqlite.SQLDriver, path+"?_busy_timeout=5000")
		require.NoError(t, err)
		defer db.Close()
		db.SetMaxOpenConns(1)
		var version int
		require.NoError(t, db.QueryRow("PRAGMA schema_version").Scan(&version))
		for _, statement := range []string{
			"PRAGMA writable_schema = ON",
			"UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table' AND sql LIKE '%expires%'",
			fmt.Sprintf("PRAGMA schema_version = %d", version+1),
			"PRAGMA writable_schema = RESET",
			"UPDATE " + table + " SET " + change + " WHERE " + id + " = " + "'" + key + "'",
		} {
			_, err := db.Exec(statement)
			require.NoError(t, err, "Exec(%q)", statement)
		}
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target()) }

func TestConformanceOfOwnTable(t *testing.T) {
	tgt := target()
	tgt.DSN = func(t testing.TB) string {
		return filepath.Join(t.TempDir(), "own.db") + "?table=web_sessions&id_column=key&data_column=values&_synchronous=FULL"
	}
	drivertest.Run(t, tgt)
}

func TestHistories(t *testing.T) { histories.Run(t, target(), 3*time.Second) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target()) }
