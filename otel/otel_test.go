package otel_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/otel"
	"gosession.dev/session/sessiontest"
)

// sdk is an OpenTelemetry SDK that keeps its spans and metrics in memory.
type sdk struct {
	spans   *tracetest.InMemoryExporter
	metrics *sdkmetric.ManualReader
	otel.Options
}

func newSDK() sdk {
	s := sdk{spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	s.Options = otel.Options{
		System:         "sqlite",
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.metrics)),
	}
	return s
}

// histogram returns the number of calls by operation and error.type.
func (s sdk) histogram(t *testing.T) map[string]uint64 {
	var data metricdata.ResourceMetrics
	require.NoError(t, s.metrics.Collect(t.Context(), &data))
	require.Len(t, data.ScopeMetrics, 1)
	require.Len(t, data.ScopeMetrics[0].Metrics, 1)
	m := data.ScopeMetrics[0].Metrics[0]
	require.Equal(t, "db.client.operation.duration", m.Name)
	require.Equal(t, "s", m.Unit)
	counts := map[string]uint64{}
	for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		system, _ := p.Attributes.Value("db.system.name")
		require.Equal(t, "sqlite", system.AsString())
		require.Equal(t, []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}, p.Bounds)
		operation, _ := p.Attributes.Value("db.operation.name")
		failure, _ := p.Attributes.Value("error.type")
		counts[operation.AsString()+" "+failure.AsString()] += p.Count
	}
	return counts
}

func TestSpansAndMetrics(t *testing.T) {
	ctx, exported := t.Context(), newSDK()
	faults := sessiontest.Wrap(t, memory.New(memory.Options{}))
	f, err := session.Config{SweepInterval: -1}.New(otel.Wrap(faults, exported.Options))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })

	ctx, parent := exported.TracerProvider.Tracer("test").Start(ctx, "request")
	s, err := f.Create(ctx)
	require.NoError(t, err)
	require.NoError(t, s.SignIn(ctx, "ada"))
	require.NoError(t, s.Flush(ctx))
	require.ErrorIs(t, f.Destroy(ctx, session.NewID("unknown").Key()), session.ErrNotFound)
	faults.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	_, err = f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, sessiontest.ErrOutage)
	for _, err := range f.SubjectSessions(ctx, "ada") {
		require.ErrorIs(t, err, sessiontest.ErrOutage, "SubjectSessions while Retrieve fails")
	}
	parent.End()

	var names []string
	for _, span := range exported.spans.GetSpans() {
		if span.Name == "request" {
			continue
		}
		names = append(names, span.Name)
		require.Equal(t, parent.SpanContext().SpanID(), span.Parent.SpanID(), span.Name)
		require.Equal(t, trace.SpanKindClient, span.SpanKind)
		require.Contains(t, span.Attributes, attribute.String("db.system.name", "sqlite"))
		switch span.Name {
		case "Retrieve session":
			if span.Status.Code == codes.Unset { // the mark of the subject, which SignIn looks for
				require.Contains(t, span.Attributes, attribute.String("session.outcome", "not found"))
				break
			}
			require.Equal(t, codes.Error, span.Status.Code)
			require.Contains(t, span.Attributes, attribute.String("error.type", "*errors.errorString"))
		case "Destroy session", "Renamed session":
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Contains(t, span.Attributes, attribute.String("session.outcome", "not found"))
		default:
			require.Equal(t, codes.Unset, span.Status.Code)
		}
		text := fmt.Sprint(span)
		for _, secret := range []string{s.ID().Reveal(), string(s.Key()), "ada"} {
			require.NotContains(t, text, secret)
		}
	}
	require.Equal(t, []string{
		"Create session", "Retrieve session", "ChangeID session", "Retrieve session", "Destroy session", "Renamed session",
		"Retrieve session", "Retrieve session", "SubjectSessions session",
	}, names)
	require.Equal(t, map[string]uint64{
		"Create ": 1, "ChangeID ": 1, "Destroy ": 1, "Renamed ": 1, "Retrieve ": 2, "Retrieve *errors.errorString": 2, "SubjectSessions ": 1,
	}, exported.histogram(t))
}

// A wrapped driver keeps the contract.
func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Target{
		Driver:     otel.Driver{Driver: memory.Driver{}, Options: newSDK().Options},
		DSN:        func(t testing.TB) string { return t.Name() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	})
}

// Wrap returns a client-side store unchanged.
func TestClientSideIsNotWrapped(t *testing.T) {
	store, err := otel.Driver{Driver: cookie.Driver{}}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	_, clientSide := store.(driver.ClientSide)
	require.True(t, clientSide)
}

// A wrapped store does not claim an interface that the inner store lacks.
func TestMaxPerSubjectNeedsLister(t *testing.T) {
	_, err := session.Config{MaxPerSubject: 1}.New(otel.Wrap(lacking{memory.New(memory.Options{})}, otel.Options{}))
	require.ErrorContains(t, err, "can't list the sessions of a subject (Config.MaxPerSubject)")
}

// lacking is a store without optional interfaces.
type lacking struct{ driver.Store }

// Without an SDK, the global providers record nothing, and sessions work.
func TestGlobalProviders(t *testing.T) {
	f, err := session.Config{}.New(otel.Wrap(memory.New(memory.Options{}), otel.Options{}))
	require.NoError(t, err)
	sessiontest.SignIn(t, f, "ada", nil)
	require.NoError(t, f.Close())
}
