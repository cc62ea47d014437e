// This program records OpenTelemetry spans and metrics of its store.
package main

import (
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/otel"
)

func main() {
	session.Register("traced", otel.Driver{Driver: memory.Driver{}, Options: otel.Options{System: "memory"}})
	sessions, err := session.Open("traced", "consumer")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
