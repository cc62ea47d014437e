//go:build cgo

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

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

// Sessions in a schema of the application's PostgreSQL database.
func ExamplePostgreSQL() {
	db, err := sql.Open("pgx", "postgres://localhost/app") // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	store := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{Table: "web.sessions"})
	sessions, err := session.Config{}.New(store)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}

// Sessions in the application's MySQL or MariaDB database.
func ExampleMySQL() {
	db, err := sql.Open("mysql", "app@tcp(localhost)/app") // import _ "github.com/go-sql-driver/mysql"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.MySQL))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}

// A dialect for a database that differs from PostgreSQL: it has no UPDATE within an INSERT. Run
// drivertest on a store with your own dialect before you use it.
func ExampleDialect() {
	dialect := sqlstore.PostgreSQL
	dialect.ReturnsUpdated = false

	db, err := sql.Open("pgx", "postgres://localhost/app") // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := session.Config{}.New(sqlstore.New(db, dialect))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}
