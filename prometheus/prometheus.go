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

// counter is one of the counts.
type counter struct {
	desc  *prometheus.Desc
	value func(session.Stats) int64
}

// collector asks a factory when it is asked.
type collector struct {
	factory   *session.Factory
	counters  []counter
	durations *prometheus.Desc
}

// NewCollector returns a Collector of the counts of a factory. Processes with several
// factories tell them apart by labels, which may be nil. It is safe for concurrent
// use.
func NewCollector(f *session.Factory, labels prometheus.Labels) prometheus.Collector {
	c := &collector{factory: f}
	for _, m := range []struct {
		name, help string
		value      func(session.Stats) int64
	}{
		{"created", "Sessions that were stored for the first time.", func(s session.Stats) int64 { return s.Created }},
		{"retrieved", "Sessions that were found.", func(s session.Stats) int64 { return s.Retrieved }},
		{"not_found", "IDs for which there was no session.", func(s session.Stats) int64 { return s.NotFound }},
		{"expired", "Sessions that were deleted because they had expired.", func(s session.Stats) int64 { return s.Expired }},
		{"flushed", "Changes that were stored.", func(s session.Stats) int64 { return s.Flushed }},
		{"touched", "Expiries that were moved and nothing else.", func(s session.Stats) int64 { return s.Touched }},
		{"id_changed", "Sessions that got another ID.", func(s session.Stats) int64 { return s.ChangedID }},
		{"destroyed", "Sessions that were ended one by one.", func(s session.Stats) int64 { return s.Destroyed }},
		{"conflicts", "Writes that met those of others and were merged.", func(s session.Stats) int64 { return s.Conflicts }},
		{"merges_failed", "Writes that met those of others until their time was over.", func(s session.Stats) int64 { return s.MergesFailed }},
		{"corrupt", "Records that could not be decoded.", func(s session.Stats) int64 { return s.Corrupt }},
		{"store_errors", "Calls of the store that failed.", func(s session.Stats) int64 { return s.StoreErrors }},
	} {
		name := prometheus.BuildFQName("session", "", m.name+"_total")
		c.counters = append(c.counters, counter{prometheus.NewDesc(name, m.help, nil, labels), m.value})
	}
	name := prometheus.BuildFQName("session", "store", "call_duration_seconds")
	c.durations = prometheus.NewDesc(name, "How long calls of the store took.", []string{"operation"}, labels)
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, counter := range c.counters {
		descs <- counter.desc
	}
	descs <- c.durations
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.factory.Stats()
	for _, counter := range c.counters {
		metrics <- prometheus.MustNewConstMetric(counter.desc, prometheus.CounterValue, float64(counter.value(stats)))
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
