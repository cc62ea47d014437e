// This program opens the driver redis, which needs no server before the first request.
package main

import (
	"log"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/redis"
)

func main() {
	sessions, err := session.Open("redis", "redis://localhost:6379/0")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
