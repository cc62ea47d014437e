package intercept_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
)

// recording opens memory stores with an Around that only records the names of the calls.
type recording struct {
	mu    sync.Mutex // guards calls
	calls map[string]bool
}

func (d *recording) Open(dsn string) (driver.Store, error) {
	inner, err := memory.Driver{}.Open(dsn)
	if err != nil {
		return nil, err
	}
	return intercept.New(inner, func(ctx context.Context, call string, do func(context.Context) error) error {
		d.mu.Lock()
		d.calls[call] = true
		d.mu.Unlock()
		return do(ctx)
	}), nil
}

// A store with an Around passes the conformance suite, and the Around is called for each
// method in Calls.
func TestConformance(t *testing.T) {
	d := &recording{calls: map[string]bool{}}
	drivertest.Run(t, drivertest.Target{
		Driver:     d,
		DSN:        func(t testing.TB) string { return t.Name() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	})
	for _, call := range intercept.Calls {
		require.True(t, d.calls[call], call)
	}
	require.Len(t, d.calls, len(intercept.Calls))
}

// An Around that does not call do keeps the call from the store, and the caller gets its
// error.
func TestAroundDecides(t *testing.T) {
	ctx, refused := t.Context(), errors.New("refused")
	inner := memory.New(memory.Options{})
	s := intercept.New(inner, func(context.Context, string, func(context.Context) error) error { return refused })
	now := time.Now()
	r := &driver.Record{Key: "k", Created: now, Expires: now.Add(time.Hour)}
	require.ErrorIs(t, s.Create(ctx, r), refused)
	require.NoError(t, inner.Create(ctx, r))
	got, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, refused)
	require.Nil(t, got)
	for key, err := range s.Sessions(ctx) {
		require.Empty(t, key)
		require.ErrorIs(t, err, refused)
	}
}

// An Around that calls do again makes the listing again, unless the caller has left it. The
// caller gets the error of the Around, not that of the store.
func TestListingMadeAgain(t *testing.T) {
	ctx, failed := t.Context(), errors.New("connection reset")
	inner := &failing{Store: memory.New(memory.Options{}), err: failed}
	now := time.Now()
	for _, key := range []string{"a", "b"} {
		require.NoError(t, inner.Create(ctx, &driver.Record{Key: key, Created: now, Expires: now.Add(time.Hour)}))
	}
	s := intercept.New(inner, func(ctx context.Context, _ string, do func(context.Context) error) error {
		if err := do(ctx); err != nil {
			require.ErrorIs(t, err, failed)
		}
		return do(ctx)
	})
	var keys []string
	for key, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	require.ElementsMatch(t, []string{"a", "b"}, keys)
	for range s.Sessions(ctx) {
		break
	}
}

// failing is a store whose first listing fails.
type failing struct {
	driver.Store
	err error
}

func (s *failing) Sessions(ctx context.Context) iter.Seq2[string, error] {
	if err := s.err; err != nil {
		s.err = nil
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return s.Store.Sessions(ctx)
}

// bare is a store without optional interfaces.
type bare struct{ driver.Store }

// A method that the inner store lacks returns ErrUnsupported without calling the Around.
func TestUnsupported(t *testing.T) {
	ctx := t.Context()
	var calls []string
	s := intercept.New(bare{memory.New(memory.Options{})}, func(ctx context.Context, call string, do func(context.Context) error) error {
		calls = append(calls, call)
		return do(ctx)
	})
	require.ErrorIs(t, s.Touch(ctx, "k", time.Now()), errors.ErrUnsupported)
	require.ErrorIs(t, s.Ping(ctx), errors.ErrUnsupported)
	require.ErrorIs(t, s.DestroySubject(ctx, "ada"), errors.ErrUnsupported)
	_, err := s.Renamed(ctx, "k")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	for _, err := range s.SubjectSessions(ctx, "ada") {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	require.Empty(t, s.Loses())
	require.Empty(t, calls)
}

func ExampleNew() {
	var calls []string
	store := intercept.New(memory.New(memory.Options{}), func(ctx context.Context, call string, do func(context.Context) error) error {
		calls = append(calls, call)
		return do(ctx)
	})
	defer store.Close()
	_, err := store.Retrieve(context.Background(), "unknown")
	fmt.Println(calls, errors.Is(err, driver.ErrNotFound))
	// Output: [Retrieve] true
}
