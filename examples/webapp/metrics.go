package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"gosession.dev/session"
)

// serveMetrics serves the counts at a second address. The caller calls stop at the end.
func serveMetrics(ctx context.Context, addr string, sessions *session.Factory, out io.Writer) (stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with -metrics", err)
	}
	fmt.Fprintf(out, "Counts are at http://%s/metrics.\n", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, sessions.Stats())
	})
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, listener, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second})
	}()
	return func() { cancel(); <-served }, nil
}

// writeMetrics writes the metrics of gosession.dev/session/prometheus in the text format of
// Prometheus. An application that uses the client library of Prometheus registers the
// collector of that package instead.
func writeMetrics(w io.Writer, stats session.Stats) {
	for name, n := range stats.Counters() {
		fmt.Fprintf(w, "# TYPE session_%s_total counter\nsession_%[1]s_total %d\n", name, n)
	}
	const name = "session_store_call_duration_seconds"
	fmt.Fprintf(w, "# TYPE %s histogram\n", name)
	for _, method := range slices.Sorted(maps.Keys(stats.Calls)) {
		calls, sum := stats.Calls[method], int64(0)
		for i, bound := range calls.Bounds {
			sum += calls.Counts[i]
			fmt.Fprintf(w, "%s_bucket{operation=%q,le=\"%v\"} %d\n", name, method, bound.Seconds(), sum)
		}
		fmt.Fprintf(w, "%s_bucket{operation=%q,le=\"+Inf\"} %d\n", name, method, calls.Count())
		fmt.Fprintf(w, "%s_sum{operation=%q} %v\n", name, method, calls.Sum.Seconds())
		fmt.Fprintf(w, "%s_count{operation=%q} %d\n", name, method, calls.Count())
	}
}
