package mongo_test

import (
	"context"
	"log"
	"net/http"

	mongodb "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session"
	"gosession.dev/session/drivers/mongo"
)

// The import registers the driver "mongo". An application that uses none of its names imports it
// blank: _ "gosession.dev/session/drivers/mongo".
func Example() {
	sessions, err := session.Open("mongo", "mongodb://user:password@host1,host2/shop?replicaSet=rs0")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}

// The application's own client stays open when the factory is closed.
func ExampleNew() {
	client, err := mongodb.Connect(options.Client().ApplyURI("mongodb://host1,host2/?replicaSet=rs0"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect(context.Background())

	collection := client.Database("shop").Collection("sessions")
	sessions, err := session.Config{}.New(mongo.New(collection, mongo.Options{}))
	if err != nil {
		log.Print(err)
		return
	}
	log.Print(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
