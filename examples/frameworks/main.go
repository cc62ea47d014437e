// Command frameworks is one small application on each of several frameworks: it
// counts visits, and signs in and out.
//
//	go run -C examples/frameworks . -with chi
//
// The engine of a framework is wrapped whole, by Factory.Handler, and its handlers
// find the session in the context of the request. What is not net/http, as gRPC and
// Fiber are not, uses the four primitives: Retrieve or Create, NewContext, Flush, and
// Cookie or ID.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/sqlite"
)

// applications are those that are an http.Handler.
var applications = map[string]func(*session.Factory) http.Handler{
	"nethttp": withNetHTTP,
	"chi":     withChi,
	"gin":     withGin,
	"echo":    withEcho,
	"header":  withHeader,
}

func main() {
	address := flag.String("listen", "localhost:8080", "where to listen")
	with := flag.String("with", "nethttp", "the framework: fiber, grpc, "+strings.Join(slices.Sorted(maps.Keys(applications)), ", "))
	flag.Parse()
	sessions, err := session.Open("sqlite", "file:sessions.db")
	if err == nil {
		err = sessions.Ping(context.Background())
	}
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	log.Fatal(serve(*with, sessions, listener))
}

func serve(with string, sessions *session.Factory, listener net.Listener) error {
	switch with {
	case "fiber":
		return withFiber(sessions).Listener(listener)
	case "grpc":
		return withGRPC(sessions).Serve(listener)
	}
	application, found := applications[with]
	if !found {
		return fmt.Errorf("there is no framework %q; see -help", with)
	}
	return http.Serve(listener, application(sessions))
}
