package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pragma returns the value of a PRAGMA of a new connection.
func pragma(t *testing.T, dsn, name string) string {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	c, err := (&connector{dsn: d}).Connect(t.Context())
	require.NoError(t, err, "connection to %q", dsn)
	defer c.Close()
	rows, err := c.(driver.QueryerContext).QueryContext(t.Context(), "PRAGMA "+name, nil)
	require.NoError(t, err)
	defer rows.Close()
	value := make([]driver.Value, 1)
	require.NoError(t, rows.Next(value), "PRAGMA %s", name)
	return fmt.Sprint(value[0])
}

// A parameter of the DSN means the same with both libraries.
func TestPragmas(t *testing.T) {
	for _, tt := range []struct{ params, pragma, want string }{
		{"", "busy_timeout", "20"},
		{"", "journal_mode", "wal"},
		{"", "synchronous", "1"},
		{"", "secure_delete", "1"},
		{"", "locking_mode", "normal"},
		{"", "foreign_keys", "0"},
		{"", "auto_vacuum", "0"},
		{"", "cache_size", "-2000"},
		{"", "wal_autocheckpoint", "10000"},
		{"", "query_only", "0"},
		{"", "recursive_triggers", "0"},
		{"", "ignore_check_constraints", "0"},
		{"", "writable_schema", "0"},
		{"", "page_size", "4096"},
		{"_busy_timeout=0", "busy_timeout", "0"},
		{"_timeout=17", "busy_timeout", "17"},
		{"_auto_vacuum=full", "auto_vacuum", "1"},
		{"_vacuum=Incremental", "auto_vacuum", "2"},
		{"_vacuum=NONE", "auto_vacuum", "0"},
		{"_cache_size=-77", "cache_size", "-77"},
		{"_cache_size=33", "cache_size", "33"},
		{"_foreign_keys=Yes", "foreign_keys", "1"},
		{"_fk=TRUE", "foreign_keys", "1"},
		{"_fk=no", "foreign_keys", "0"},
		{"_defer_foreign_keys=on", "defer_foreign_keys", "0"},
		{"_defer_fk=1", "defer_foreign_keys", "0"}, // SQLite resets it after each transaction
		{"_ignore_check_constraints=1", "ignore_check_constraints", "1"},
		{"_journal_mode=Delete", "journal_mode", "delete"},
		{"_journal=truncate", "journal_mode", "truncate"},
		{"_journal=PERSIST", "journal_mode", "persist"},
		{"_journal=memory", "journal_mode", "memory"},
		{"_journal=delete", "synchronous", "1"},
		{"_locking_mode=EXCLUSIVE", "locking_mode", "exclusive"},
		{"_locking=Exclusive", "locking_mode", "exclusive"},
		{"_recursive_triggers=on", "recursive_triggers", "1"},
		{"_rt=yes", "recursive_triggers", "1"},
		{"_secure_delete=off", "secure_delete", "0"},
		{"_secure_delete=FAST", "secure_delete", "2"},
		{"_secure_delete=no", "secure_delete", "0"},
		{"_synchronous=off", "synchronous", "0"},
		{"_synchronous=FULL", "synchronous", "2"},
		{"_sync=3", "synchronous", "3"},
		{"_sync=Normal", "synchronous", "1"},
		{"_writable_schema=on", "writable_schema", "1"},
		{"cache=shared", "read_uncommitted", "0"},
	} {
		dsn := filepath.Join(t.TempDir(), "s.db") + "?" + tt.params
		require.Equal(t, tt.want, pragma(t, dsn, tt.pragma), "PRAGMA %s with %q", tt.pragma, tt.params)
	}

	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, open(t, path).Create(t.Context(), record("k")))
	require.Equal(t, "1", pragma(t, path+"?_query_only=on", "query_only"))
	for _, word := range []string{"LIKE", "like"} {
		count := fmt.Sprintf("SELECT 'a' %s 'A'", word)
		for params, want := range map[string]string{"": "1", "?_cslike=1": "0", "?_case_sensitive_like=off": "1"} {
			var got string
			require.NoError(t, open(t, path+params).(*store).db.QueryRow(count).Scan(&got))
			require.Equal(t, want, got, "%s with %q", count, params)
		}
	}
}

// The parameter _txlock decides whether a transaction takes a lock when it begins.
func TestTxLock(t *testing.T) {
	for value, want := range map[string]struct{ writes, reads bool }{
		"deferred":  {true, true},
		"immediate": {false, true},
		"exclusive": {false, false},
	} {
		path := filepath.Join(t.TempDir(), "s.db") + "?_journal=DELETE&_timeout=0"
		other := open(t, path).(*store)
		require.NoError(t, other.Create(t.Context(), record("k")))
		tx, err := open(t, path+"&_txlock="+value).(*store).db.Begin()
		require.NoError(t, err)
		var n int
		require.Equal(t, want.reads, other.db.QueryRow("SELECT count(*) FROM sessions").Scan(&n) == nil, "reading during a %s transaction", value)
		_, err = other.db.Exec("UPDATE sessions SET version = version + 1")
		require.Equal(t, want.writes, err == nil, "writing during a %s transaction", value)
		require.NoError(t, tx.Rollback())
	}
}

// A parameter that the library does not have is refused, and the error names it.
func TestWithoutCounterpart(t *testing.T) {
	for _, name := range withoutCounterpart {
		_, err := Driver{}.Open("canary.db?" + name + "=canary")
		require.ErrorContains(t, err, "DSN parameter "+name+" needs go-sqlite3, and this program was built without cgo")
		require.NotContains(t, err.Error(), "canary")
	}
	_, err := Driver{}.Open("s.db?canary=1")
	for _, name := range withoutCounterpart {
		require.NotContains(t, err.Error(), " "+name+",")
	}
}

// Empty values are not NULL, and values of every kind come back as they were written.
func TestValues(t *testing.T) {
	db := open(t, ":memory:").(*store).db
	for _, want := range []any{nil, []byte{}, "", []byte{0, 1}, "a\x00b", "text", int64(math.MinInt64), int64(math.MaxInt64), 1.5} {
		for _, prepared := range []bool{false, true} {
			query := db.QueryRow
			if prepared {
				stmt, err := db.Prepare("SELECT ?1")
				require.NoError(t, err)
				defer stmt.Close()
				query = func(_ string, args ...any) *sql.Row { return stmt.QueryRow(args...) }
			}
			var got any
			require.NoError(t, query("SELECT ?1", want).Scan(&got))
			require.Equal(t, want, got, "prepared: %v", prepared)
			var data []byte
			if _, isNumber := want.(float64); !isNumber {
				require.NoError(t, query("SELECT ?1", want).Scan(&data))
				require.Equal(t, want == nil, data == nil, "whether %#v is NULL", want)
			}
		}
	}
}

// A call returns when its context ends, whatever SQLite is doing. The connection is usable again.
func TestContextEndsStatement(t *testing.T) {
	const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
	for _, dsn := range []string{":memory:", filepath.Join(t.TempDir(), "s.db"), filepath.Join(t.TempDir(), "x.db") + "?_locking=EXCLUSIVE"} {
		s := open(t, dsn)
		require.NoError(t, s.Create(t.Context(), record("k")))
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			begin := time.Now()
			var n int
			err := s.(*store).db.QueryRowContext(ctx, endless).Scan(&n)
			require.Error(t, err)
			require.Less(t, time.Since(begin), 5*time.Second)
			cancel()
			_, err = s.Retrieve(t.Context(), "k")
			require.NoError(t, err, "Retrieve after an interrupted statement, with %q", strings.TrimPrefix(dsn, t.TempDir()))
		}
	}
}
