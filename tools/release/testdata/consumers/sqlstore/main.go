// This program keeps sessions in a database of the application, with an SQL driver of its own.
package main

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/sqlstore"
)

// sqlDriver stands for the application's SQL driver.
type sqlDriver struct{}

func (sqlDriver) Open(string) (driver.Conn, error) { return nil, errors.New("no database") }

func main() {
	sql.Register("own", sqlDriver{})
	db, err := sql.Open("own", "")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.SQLite))
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
