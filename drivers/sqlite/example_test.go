package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/sqlite"
)

// Sessions in a file of their own, named by a DSN.
func Example() {
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sessions, err := session.Open("sqlite", "file:"+filepath.Join(dir, "sessions.db")+"?_synchronous=FULL")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Ping(context.Background()); err != nil { // creates the file, and writes to it
		log.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "sessions.db"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Mode())
	// Output: -rw-------
}
