//go:build cgo

package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "github.com/mattn/go-sqlite3"

	"gosession.dev/session"
	"gosession.dev/session/drivers/sqlstore"
)

// Sessions in a table of the application's own SQLite database, where SQL can query them.
func Example() {
	dir, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "app.db")+"?_journal_mode=WAL&_busy_timeout=20&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	store := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{Table: "web_sessions"})
	sessions, err := session.Config{}.New(store)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Set("items", 2); err != nil {
		log.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	var items int
	err = db.QueryRow(`SELECT data ->> 'items' FROM web_sessions`).Scan(&items)
	fmt.Println(items, err)
	// Output: 2 <nil>
}

// A dialect for PostgreSQL, for SQL drivers whose errors have a method SQLState, such as pgx. (It
// passed drivertest with PostgreSQL 15 and pgx 5.7.) Run drivertest on a store with your own
// dialect before you use it.
func ExampleDialect() {
	hasState := func(states ...string) func(error) bool {
		return func(err error) bool {
			var failed interface{ SQLState() string }
			return errors.As(err, &failed) && slices.Contains(states, failed.SQLState())
		}
	}
	postgres := sqlstore.Dialect{
		Quote:       func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` },
		Placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
		Schema: func(t sqlstore.Table) []string {
			return []string{
				`CREATE TABLE IF NOT EXISTS ` + t.Name + ` (` + t.ID + ` text COLLATE "C" PRIMARY KEY, ` + t.Data + ` bytea NOT NULL,
					meta bytea NOT NULL, created bigint NOT NULL, expires bigint NOT NULL, subject text NOT NULL, version bigint NOT NULL)`,
				`CREATE INDEX IF NOT EXISTS ` + t.ExpiresIndex + ` ON ` + t.Name + ` (expires)`,
				`CREATE INDEX IF NOT EXISTS ` + t.SubjectIndex + ` ON ` + t.Name + ` (subject, ` + t.ID + `) WHERE subject <> ''`,
			}
		},
		MarksSchema: func(t sqlstore.Table) []string {
			return []string{
				`CREATE TABLE IF NOT EXISTS ` + t.Marks + ` (id text PRIMARY KEY, renamed_to text NOT NULL, renamed bigint NOT NULL)`,
				`CREATE INDEX IF NOT EXISTS ` + t.RenamedIndex + ` ON ` + t.Marks + ` (renamed)`,
			}
		},
		IgnoreDuplicate: func(id string) string { return "ON CONFLICT (" + id + ") DO NOTHING" },
		UpdateDuplicate: func(id string, columns ...string) string {
			var set []string
			for _, column := range columns {
				set = append(set, column+" = excluded."+column)
			}
			return "ON CONFLICT (" + id + ") DO UPDATE SET " + strings.Join(set, ", ")
		},
		AreIntegers: func(columns ...string) string { return strings.Join(columns, " IS NOT NULL AND ") + " IS NOT NULL" },
		DeleteBatch: func(table, id, time string) string {
			return fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s <= $1 LIMIT $2)", table, id, time)
		},
		Now:         "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
		Data:        func(data []byte) any { return append([]byte{}, data...) }, // nil would be NULL
		IsDuplicate: hasState("23505"),                                          // unique_violation
		IsBusy:      hasState("40001", "40P01"),                                 // serialization_failure, deadlock_detected
		IsTooLarge:  hasState("54000"),                                          // program_limit_exceeded
	}

	db, err := sql.Open("pgx", "postgres://localhost/app") // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := session.Config{}.New(sqlstore.New(db, postgres))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}
