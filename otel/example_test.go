package otel_test

import (
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/otel"
)

func init() {
	session.Register("traced", otel.Driver{
		Driver:  memory.Driver{},
		Options: otel.Options{System: "other_sql"},
	})
}

func ExampleDriver() {
	sessions, err := session.Open("traced", "shop")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	// Output:
}

func ExampleWrap() {
	store := memory.New(memory.Options{})
	sessions, err := session.Config{}.New(otel.Wrap(store, otel.Options{}))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	// Output:
}
