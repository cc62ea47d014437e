// This program opens the driver postgres, which needs no server before the first request.
package main

import (
	"log"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/postgres"
)

func main() {
	sessions, err := session.Open("postgres", "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
