// This program opens the driver mongo, which needs no server before the first request.
package main

import (
	"log"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/mongo"
)

func main() {
	sessions, err := session.Open("mongo", "mongodb://localhost:27017/shop")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
