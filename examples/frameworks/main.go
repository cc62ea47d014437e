// Command frameworks is a small application, once for each of several frameworks. It counts
// visits, and signs users in and out.
//
//	go run -C examples/frameworks . -with chi
//
// Factory.Handler wraps the whole engine of a framework, whose handlers find the session in
// the context of the request. Servers that are not net/http, such as gRPC and Fiber, call
// Factory.Retrieve or Create, NewContext, Session.Flush, and Session.Cookie or ID.
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

// applications has the applications that are an http.Handler, by the name of the framework.
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
