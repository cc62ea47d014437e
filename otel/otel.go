// Package otel makes OpenTelemetry spans and metrics of what a store does, by a
// driver around another:
//
//	session.Register("traced", otel.Driver{
//		Driver:  sqlite.Driver{},
//		Options: otel.Options{System: "sqlite"},
//	})
//	sessions, err := session.Open("traced", "file:sessions.db")
//
// or, for a store that the application has made:
//
//	sessions, err := session.Config{}.New(otel.Wrap(store, otel.Options{System: "sqlite"}))
//
// It is a module of its own, so that only those who want it download OpenTelemetry:
//
//	go get gosession.dev/session/otel
//
// Names are those of the semantic conventions for database clients: a span of kind
// client, named "Retrieve session", with db.system.name and db.operation.name, and
// the histogram db.client.operation.duration in seconds with the same attributes.
// A call that fails has error.type. That there is no session, or that a write has
// met another, is no failure, and stands in session.outcome. Keys, subjects and data
// stand nowhere. The span of a listing lasts as long as its caller takes for it.
package otel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"
	"go.opentelemetry.io/otel/semconv/v1.39.0/dbconv"
	"go.opentelemetry.io/otel/trace"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/intercept"
)

// buckets are those that the semantic conventions ask for. The SDK's own are for
// milliseconds.
var buckets = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}

// scope is the instrumentation's name.
const scope = "gosession.dev/session/otel"

// Options say where spans and metrics go, and what they say of the store.
type Options struct {
	System         string               // db.system.name, as in "sqlite", "memcached", "mongodb"; "" is other_sql
	TracerProvider trace.TracerProvider // nil is the global one
	MeterProvider  metric.MeterProvider // nil is the global one
}

// Driver is another driver, whose stores are wrapped.
type Driver struct {
	driver.Driver
	Options
}

// Open implements [driver.Driver].
func (d Driver) Open(dsn string) (driver.Store, error) {
	store, err := d.Driver.Open(dsn)
	if err != nil {
		return nil, err
	}
	return Wrap(store, d.Options), nil
}

// Wrap returns a store that makes spans and metrics of what another does. A store
// that keeps records with the client makes no calls to be seen, and is returned as it
// is.
func Wrap(store driver.Store, o Options) driver.Store {
	if _, clientSide := store.(driver.ClientSide); clientSide {
		return store
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.System == "" {
		o.System = "other_sql"
	}
	// What the error says is said to the global error handler too, and the
	// instrument does nothing then.
	duration, err := dbconv.NewClientOperationDuration(
		o.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)),
		metric.WithExplicitBucketBoundaries(buckets...),
	)
	if err != nil {
		otel.Handle(err)
	}
	w := wrapped{system: o.System, tracer: o.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), duration: duration}
	return intercept.New(store, w.around)
}

type wrapped struct {
	system   string
	tracer   trace.Tracer
	duration dbconv.ClientOperationDuration
}

// around makes a span and a measurement of a call.
func (w wrapped) around(ctx context.Context, call string, do func(context.Context) error) error {
	begin := time.Now()
	ctx, span := w.tracer.Start(ctx, call+" session", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.DBSystemNameKey.String(w.system), semconv.DBOperationName(call)))
	defer span.End()
	err := do(ctx)
	more := []attribute.KeyValue{semconv.DBOperationName(call)}
	switch outcome := nameOf(err, outcomes); {
	case outcome != "":
		span.SetAttributes(attribute.String("session.outcome", outcome))
	case err != nil:
		more = append(more, semconv.ErrorTypeKey.String(cmp.Or(nameOf(err, failures), fmt.Sprintf("%T", err))))
		span.SetAttributes(more[1])
		span.SetStatus(codes.Error, err.Error())
	}
	w.duration.Record(ctx, time.Since(begin).Seconds(), dbconv.SystemNameAttr(w.system), more...)
	return err
}

// named is an error, and what it is called.
type named struct {
	err  error
	name string
}

// outcomes are what a store may answer without having failed.
var outcomes = []named{
	{driver.ErrNotFound, "not found"},
	{driver.ErrExists, "exists"},
	{driver.ErrConflict, "conflict"},
	{errors.ErrUnsupported, "unsupported"},
}

// failures have names, because error.type has to be of few values.
var failures = []named{
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
	{driver.ErrTooLarge, "too large"},
	{driver.ErrCorrupt, "corrupt"},
	{driver.ErrClosed, "closed"},
}

// nameOf returns what err is called among these, or "".
func nameOf(err error, these []named) string {
	for _, n := range these {
		if errors.Is(err, n.err) {
			return n.name
		}
	}
	return ""
}
