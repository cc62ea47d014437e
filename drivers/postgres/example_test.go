package postgres_test

import (
	"context"
	"log"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"gosession.dev/session"
	"gosession.dev/session/drivers/postgres"
)

// Sessions in a table that a DSN names. The store finds the server that accepts writes.
func Example() {
	sessions, err := session.Open("postgres", "postgres://web@db1.example.com,db2.example.com/shop?sslmode=verify-full&session_table=web.sessions")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Ping(context.Background()); err != nil { // creates the tables, and writes to them
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}

// Sessions in a pool that the application has opened.
func ExampleNewPool() {
	pool, err := pgxpool.New(context.Background(), "postgres://web@db.example.com/shop?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	sessions, err := session.Config{}.New(postgres.NewPool(pool, postgres.Options{Table: "web.sessions"}))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close() // does not close the pool
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
