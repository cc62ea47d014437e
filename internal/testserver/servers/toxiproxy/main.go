// Command toxiproxy is Shopify's proxy that delays, cuts and resets connections,
// with its HTTP interface at the given address:
//
//	toxiproxy 127.0.0.1:8474
package main

import (
	"log"
	"net"
	"os"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: toxiproxy ADDRESS")
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	host, port, err := net.SplitHostPort(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server.Listen(host, port)
}
