// This program exports the counts of its factory to Prometheus.
package main

import (
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memory"
	sessionprom "gosession.dev/session/prometheus"
)

func main() {
	sessions, err := session.Open("memory", "consumer")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(sessionprom.NewCollector(sessions, nil))
	if _, err := registry.Gather(); err != nil {
		log.Fatal(err)
	}
}
