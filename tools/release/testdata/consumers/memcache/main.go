// This program opens the driver memcache, which needs no server before the first request.
package main

import (
	"log"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memcache"
)

func main() {
	sessions, err := session.Open("memcache", "localhost:11211")
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		log.Fatal(err)
	}
}
