package redis_test

import (
	"log"
	"net/http"

	"github.com/redis/rueidis"

	"gosession.dev/session"
	"gosession.dev/session/drivers/redis"
)

// The import registers the driver "redis". An application that uses none of its names imports it
// blank: _ "gosession.dev/session/drivers/redis".
func Example() {
	sessions, err := session.Open("redis", "redis://web:secret@db.example.com/0?prefix=shop:")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}

// The application's own client stays open when the factory is closed.
func ExampleNew() {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:  []string{"db.example.com:6379"},
		DisableRetry: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sessions, err := session.Config{}.New(redis.New(client, redis.Options{Prefix: "shop:"}))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
