package faulty

import (
	"context"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// deadDSN is the DSN of a server that never answers.
const deadDSN = "drivertest-dead"

// deadStore is a store whose server never answers: every call waits until its context is done.
type deadStore struct{}

func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func waitSeq(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", wait(ctx)) }
}

func (deadStore) Create(ctx context.Context, _ *driver.Record) error { return wait(ctx) }
func (deadStore) Retrieve(ctx context.Context, _ string) (*driver.Record, error) {
	return nil, wait(ctx)
}
func (deadStore) Flush(ctx context.Context, _ *driver.Record) error              { return wait(ctx) }
func (deadStore) ChangeID(ctx context.Context, _ string, _ *driver.Record) error { return wait(ctx) }
func (deadStore) Destroy(ctx context.Context, _ string) error                    { return wait(ctx) }
func (deadStore) Sessions(ctx context.Context) iter.Seq2[string, error]          { return waitSeq(ctx) }
func (deadStore) DeleteExpired(ctx context.Context) (int, error)                 { return 0, wait(ctx) }
func (deadStore) Touch(ctx context.Context, _ string, _ time.Time) error         { return wait(ctx) }
func (deadStore) Ping(ctx context.Context) error                                 { return wait(ctx) }
func (deadStore) SubjectSessions(ctx context.Context, _ string) iter.Seq2[string, error] {
	return waitSeq(ctx)
}
func (deadStore) DestroySubject(ctx context.Context, _ string, _ ...string) error { return wait(ctx) }
func (deadStore) Renamed(ctx context.Context, _ string) (driver.Rename, error) {
	return driver.Rename{}, wait(ctx)
}
func (deadStore) Loses() string { return "a server that never answers has lost everything" }
func (deadStore) Close() error  { return nil }
