// Package prometheus exports the statistics of a [session.Factory] to Prometheus.
//
//	registry.MustRegister(sessionprom.NewCollector(sessions, nil))
//
// The package is a module of its own, so that only applications that import it download
// the client library:
//
//	go get gosession.dev/session/prometheus
//
// The counters have the values of [session.Stats], for this process:
//
//	session_created_total  session_retrieved_total  session_not_found_total
//	session_expired_total  session_flushed_total    session_touched_total
//	session_id_changed_total  session_destroyed_total  session_dropped_total
//	session_conflicts_total   session_merges_failed_total
//	session_corrupt_total     session_store_errors_total
//
// The histogram session_store_call_duration_seconds has the duration of the store's calls
// that have returned. Its label operation names the method, such as "Retrieve".
package prometheus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"gosession.dev/session"
)

// help has the help text of each counter.
var help = map[string]string{
	"created":       "Sessions stored for the first time.",
	"retrieved":     "Sessions found by an ID that a client sent.",
	"not_found":     "IDs that clients sent and that no live session has.",
	"expired":       "Expired sessions deleted by this process.",
	"flushed":       "Writes of changed sessions.",
	"touched":       "Writes that moved the expiry and nothing else.",
	"id_changed":    "Changes of a session ID, most of them by a sign-in.",
	"destroyed":     "Sessions ended one by one.",
	"dropped":       "Requests whose changes were dropped because the session had ended or changed its ID.",
	"conflicts":     "Writes that conflicted with another write and were merged with it.",
	"merges_failed": "Writes abandoned because they still conflicted at Config.StoreTimeout.",
	"corrupt":       "Records that could not be decoded.",
	"store_errors":  "Failed calls of the store, without those that the caller canceled.",
}

// collector reads the statistics of its factory at each scrape.
type collector struct {
	factory   *session.Factory
	counters  map[string]*prometheus.Desc // by the names of session.Stats.Counters
	durations *prometheus.Desc
}

// NewCollector returns a Collector that exports the statistics of f. The labels are added to
// every metric; they may be nil, and tell the factories apart if a process has several. The
// Collector is safe for concurrent use. If f is nil, each scrape fails with an error.
func NewCollector(f *session.Factory, labels prometheus.Labels) prometheus.Collector {
	c := &collector{factory: f, counters: map[string]*prometheus.Desc{}}
	for counter := range (session.Stats{}).Counters() {
		name := prometheus.BuildFQName("session", "", counter+"_total")
		c.counters[counter] = prometheus.NewDesc(name, help[counter], nil, labels)
	}
	name := prometheus.BuildFQName("session", "store", "call_duration_seconds")
	c.durations = prometheus.NewDesc(name, "Duration of the store's calls, by method.", []string{"operation"}, labels)
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.counters {
		descs <- desc
	}
	descs <- c.durations
}

var errNoFactory = errors.New("session: NewCollector was given a nil Factory; check the error of the call that returned it")

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	if c.factory == nil { // a panic would end the process, not the scrape
		metrics <- prometheus.NewInvalidMetric(c.durations, errNoFactory)
		return
	}
	stats := c.factory.Stats()
	for counter, n := range stats.Counters() {
		metrics <- prometheus.MustNewConstMetric(c.counters[counter], prometheus.CounterValue, float64(n))
	}
	for method, calls := range stats.Calls {
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range calls.Bounds {
			sum += uint64(calls.Counts[i])
			buckets[bound.Seconds()] = sum
		}
		metrics <- prometheus.MustNewConstHistogram(c.durations, uint64(calls.Count()), calls.Sum.Seconds(), buckets, method)
	}
}
