package prometheus_test

import (
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memory"
	sessionprom "gosession.dev/session/prometheus"
)

func ExampleNewCollector() {
	sessions, err := session.Open("memory", "shop")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(sessionprom.NewCollector(sessions, nil))
	http.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// Output:
}
