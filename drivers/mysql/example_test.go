package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/go-sql-driver/mysql"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/mysql"
	"gosession.dev/session/drivers/sqlstore"
)

// Sessions in a table of a database, named by a DSN.
func Example() {
	sessions, err := session.Open("mysql", os.Getenv("SESSIONS")) // web:secret@tcp(db.internal:3306)/web?tls=true
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Ping(context.Background()); err != nil { // creates the tables, and writes to them
		log.Fatal(err)
	}
}

// Open does not connect. It refuses DSNs with mistakes.
func Example_mistake() {
	_, err := session.Open("mysql", "web:secret@tcp(db.internal:3306)/web?session_max_conns=many")
	fmt.Println(err)
	// Output: session: open mysql: mysql: DSN parameter session_max_conns takes a number of connections, from 1 to 10000
}

// Sessions in a database that the application has opened, by package sqlstore.
func Example_ownDatabase() {
	config, err := mysql.ParseDSN(os.Getenv("DATABASE"))
	if err != nil {
		log.Fatal("DATABASE is not a DSN")
	}
	config.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES'"}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.MySQL))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close() // does not close db
}
