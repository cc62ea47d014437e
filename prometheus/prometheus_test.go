package prometheus_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	sessionprom "gosession.dev/session/prometheus"
	"gosession.dev/session/sessiontest"
)

func TestCollector(t *testing.T) {
	f := sessiontest.New(t)
	sessiontest.SignIn(t, f, "ada", map[string]any{"n": 1})
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
	_, err := f.Create(t.Context())
	require.Error(t, err) // Create is tried twice: the answer to the first call may have been lost

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(sessionprom.NewCollector(f.Factory, prometheus.Labels{"app": "shop"}))
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP session_created_total Sessions stored for the first time.
# TYPE session_created_total counter
session_created_total{app="shop"} 1
# HELP session_id_changed_total Changes of a session ID, most of them by a sign-in.
# TYPE session_id_changed_total counter
session_id_changed_total{app="shop"} 1
# HELP session_store_errors_total Failed calls of the store, without those that the caller canceled.
# TYPE session_store_errors_total counter
session_store_errors_total{app="shop"} 2
`), "session_created_total", "session_id_changed_total", "session_store_errors_total"))

	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)

	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 14)
	for _, family := range families {
		require.NotEmpty(t, family.GetHelp(), family.GetName())
		if family.GetName() != "session_store_call_duration_seconds" {
			continue
		}
		require.Len(t, family.GetMetric(), 9)
		for _, m := range family.GetMetric() {
			if m.GetLabel()[1].GetValue() == "Create" {
				require.Equal(t, uint64(3), m.GetHistogram().GetSampleCount())
				require.Positive(t, m.GetHistogram().GetSampleSum())
			}
		}
	}
}

func TestNilFactory(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(sessionprom.NewCollector(nil, nil))
	_, err := registry.Gather()
	require.ErrorContains(t, err, "NewCollector was given a nil Factory")
}
