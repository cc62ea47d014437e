package memcache_test

import (
	"log"
	"net/http"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memcache"
)

// The import registers the driver "memcache". An application that uses none of its names imports
// it blank: _ "gosession.dev/session/drivers/memcache".
func Example() {
	sessions, err := session.Open("memcache", "host1:11211,host2:11211?prefix=shop:")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}

// The application's own client stays open when the factory is closed.
func ExampleNew() {
	servers := new(gomemcache.ServerList)
	if err := servers.SetServers("host1:11211", "host2:11211"); err != nil {
		log.Fatal(err)
	}
	client := gomemcache.NewFromSelector(servers)
	client.MaxIdleConns = 100

	sessions, err := session.Config{}.New(memcache.New(client, memcache.Options{
		Prefix:  "shop:",
		Servers: servers, // for listing
	}))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
