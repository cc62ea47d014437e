// This program opens the driver mysql, which needs no server before the first request.
package main

import (
	"log"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/mysql"
)

func main() {
	sessions, err := session.Open("mysql", "web:secret@tcp(localhost:3306)/web")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
