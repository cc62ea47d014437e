// Package prometheus shows the counts of a factory of sessions to Prometheus.
//
//	registry.MustRegister(sessionprom.NewCollector(sessions, nil))
//
// It is a module of its own, so that only those who want it download the client
// library:
//
//	go get gosession.dev/session/prometheus
//
// Counters are of this process, and are those of [session.Stats]:
//
//	session_created_total  session_retrieved_total  session_not_found_total
//	session_expired_total  session_flushed_total    session_touched_total
//	session_id_changed_total  session_destroyed_total
//	session_conflicts_total   session_merges_failed_total
//	session_corrupt_total     session_store_errors_total
//
// and session_store_call_duration_seconds is a histogram with the label operation, as
// in "Retrieve".
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"gosession.dev/session"
)

// help says what the counters count.
var help = map[string]string{
	"created":       "Sessions that were stored for the first time.",
	"retrieved":     "Sessions that were found.",
	"not_found":     "IDs for which there was no session.",
	"expired":       "Sessions that were deleted because they had expired.",
	"flushed":       "Changes that were stored.",
	"touched":       "Expiries that were moved and nothing else.",
	"id_changed":    "Sessions that got another ID.",
	"destroyed":     "Sessions that were ended one by one.",
	"conflicts":     "Writes that met those of others and were merged.",
	"merges_failed": "Writes that met those of others until their time was over.",
	"corrupt":       "Records that could not be decoded.",
	"store_errors":  "Calls of the store that failed.",
}

// collector asks a factory when it is asked.
type collector struct {
	factory   *session.Factory
	counters  map[string]*prometheus.Desc // by the names of session.Stats.Counters
	durations *prometheus.Desc
}

// NewCollector returns a Collector of the counts of a factory. Processes with several
// factories tell them apart by labels, which may be nil. It is safe for concurrent
// use.
func NewCollector(f *session.Factory, labels prometheus.Labels) prometheus.Collector {
	c := &collector{factory: f, counters: map[string]*prometheus.Desc{}}
	for counter := range (session.Stats{}).Counters() {
		name := prometheus.BuildFQName("session", "", counter+"_total")
		c.counters[counter] = prometheus.NewDesc(name, help[counter], nil, labels)
	}
	name := prometheus.BuildFQName("session", "store", "call_duration_seconds")
	c.durations = prometheus.NewDesc(name, "How long calls of the store took.", []string{"operation"}, labels)
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.counters {
		descs <- desc
	}
	descs <- c.durations
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.factory.Stats()
	for counter, n := range stats.Counters() {
		metrics <- prometheus.MustNewConstMetric(c.counters[counter], prometheus.CounterValue, float64(n))
	}
	bounds := session.LatencyBounds()
	for _, call := range stats.Calls {
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range bounds {
			sum += uint64(call.Latency[i])
			buckets[bound.Seconds()] = sum
		}
		metrics <- prometheus.MustNewConstHistogram(c.durations, uint64(call.Count), call.Time.Seconds(), buckets, call.Operation)
	}
}
