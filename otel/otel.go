// Package otel records OpenTelemetry spans and metrics for the calls of a store. [Driver]
// wraps a driver:
//
//	session.Register("traced", otel.Driver{
//		Driver:  sqlite.Driver{},
//		Options: otel.Options{System: "sqlite"},
//	})
//	sessions, err := session.Open("traced", "file:sessions.db")
//
// [Wrap] wraps a store that the application has made:
//
//	sessions, err := session.Config{}.New(otel.Wrap(store, otel.Options{System: "sqlite"}))
//
// The package is a module of its own, so that only applications that import it download
// OpenTelemetry:
//
//	go get gosession.dev/session/otel
//
// Names follow the semantic conventions for database clients. A call is a span of kind
// client, such as "Retrieve session", with the attributes db.system.name and
// db.operation.name. The histogram db.client.operation.duration has its duration in
// seconds, with the same attributes. If the call fails, both also have error.type. The
// answers "not found", "exists", "conflict" and "unsupported" are not failures: the span
// has them in session.outcome. Attributes never contain keys, subjects or data. The span
// of a listing lasts until its caller stops ranging over it.
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
	"gosession.dev/session/driver/intercept"
)

// buckets are the boundaries of the histogram's buckets, in seconds, that the semantic conventions
// recommend. The SDK's default boundaries suit milliseconds.
var buckets = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}

// scope is the name of the instrumentation scope.
const scope = "gosession.dev/session/otel"

// Options configure [Wrap]. The zero value is valid.
type Options struct {
	System         string               // value of db.system.name, such as "sqlite", "memcached" or "mongodb"; "" means "other_sql"
	TracerProvider trace.TracerProvider // nil means otel.GetTracerProvider, called by Wrap
	MeterProvider  metric.MeterProvider // nil means otel.GetMeterProvider, called by Wrap
}

// Driver wraps another driver: the stores that it opens are wrapped by [Wrap].
type Driver struct {
	driver.Driver
	Options
}

// Open implements [driver.Driver]. It returns the errors of the wrapped driver unchanged.
func (d Driver) Open(dsn string) (driver.Store, error) {
	store, err := d.Driver.Open(dsn)
	if err != nil {
		return nil, err
	}
	return Wrap(store, d.Options), nil
}

// Wrap returns a store that passes each call to store and records a span and a duration for
// it. An optional method that store lacks returns [errors.ErrUnsupported]. Closing the result
// closes store. Wrap returns a [driver.ClientSide] store unchanged: it calls no backend.
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
	// After an error, the instrument records nothing. The global error handler gets the error.
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

// wrapped records the calls of one store.
type wrapped struct {
	system   string
	tracer   trace.Tracer
	duration dbconv.ClientOperationDuration
}

// around runs one call in a span and records its duration. It is an [intercept.Around].
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

// named is an error and its name in attributes.
type named struct {
	err  error
	name string
}

// outcomes are the errors of a store that are answers, not failures.
var outcomes = []named{
	{driver.ErrNotFound, "not found"},
	{driver.ErrExists, "exists"},
	{driver.ErrConflict, "conflict"},
	{errors.ErrUnsupported, "unsupported"},
}

// failures are errors with a name of their own. Other errors are named by their type, because
// error.type must have few values.
var failures = []named{
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
	{driver.ErrTooLarge, "too large"},
	{driver.ErrCorrupt, "corrupt"},
	{driver.ErrClosed, "closed"},
}

// nameOf returns the name of the first error in these that err matches, or "".
func nameOf(err error, these []named) string {
	for _, n := range these {
		if errors.Is(err, n.err) {
			return n.name
		}
	}
	return ""
}
