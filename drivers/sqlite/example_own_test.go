//go:build cgo

package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivers/sqlstore"
)

// Sessions in a database that the application has opened, by package sqlstore. The SQL driver is
// go-sqlite3, which importing drivers/sqlite registers as "sqlite3" if there is cgo.
func Example_ownDatabase() {
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "app.db")+"?_journal_mode=WAL&_busy_timeout=20&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.SQLite))
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Ping(context.Background()); err != nil { // creates the tables
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil { // does not close db
		log.Fatal(err)
	}
	fmt.Println(db.Ping())
	// Output: <nil>
}
