package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"gosession.dev/session"
)

// serveMetrics serves the counts at another address, until stop is called.
func serveMetrics(ctx context.Context, addr string, sessions *session.Factory, out io.Writer) (stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "Counts are at http://%s/metrics.\n", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, sessions.Stats())
	})
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, mux) }()
	return func() { cancel(); <-served }, nil
}

// writeMetrics writes what the collector of gosession.dev/session/prometheus collects,
// in the text format of Prometheus. An application that has its client library already
// takes the collector.
func writeMetrics(w io.Writer, stats session.Stats) {
	for name, n := range stats.Counters() {
		fmt.Fprintf(w, "# TYPE session_%s_total counter\nsession_%[1]s_total %d\n", name, n)
	}
	const calls = "session_store_call_duration_seconds"
	fmt.Fprintf(w, "# TYPE %s histogram\n", calls)
	bounds := session.LatencyBounds()
	for _, call := range stats.Calls {
		sum := int64(0)
		for i, bound := range bounds {
			sum += call.Latency[i]
			fmt.Fprintf(w, "%s_bucket{operation=%q,le=\"%v\"} %d\n", calls, call.Operation, bound.Seconds(), sum)
		}
		fmt.Fprintf(w, "%s_bucket{operation=%q,le=\"+Inf\"} %d\n", calls, call.Operation, call.Count)
		fmt.Fprintf(w, "%s_sum{operation=%q} %v\n", calls, call.Operation, call.Time.Seconds())
		fmt.Fprintf(w, "%s_count{operation=%q} %d\n", calls, call.Operation, call.Count)
	}
}
