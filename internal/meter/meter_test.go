package meter_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/meter"
)

// script is a store whose calls take a given time and return a given error.
type script struct {
	driver.Store
	takes time.Duration
	err   error
	rec   *driver.Record
}

func (s *script) call() error                                            { time.Sleep(s.takes); return s.err }
func (s *script) Create(context.Context, *driver.Record) error           { return s.call() }
func (s *script) Flush(context.Context, *driver.Record) error            { return s.call() }
func (s *script) Destroy(context.Context, string) error                  { return s.call() }
func (s *script) DeleteExpired(context.Context) (int, error)             { return 3, s.call() }
func (s *script) Touch(context.Context, string, time.Time) error         { return s.call() }
func (s *script) ChangeID(context.Context, string, *driver.Record) error { return s.call() }

func (s *script) DestroySubject(context.Context, string, ...string) error { return s.call() }

func (s *script) Renamed(context.Context, string) (driver.Rename, error) {
	return driver.Rename{To: "to"}, s.call()
}

func (s *script) Retrieve(context.Context, string) (*driver.Record, error) { return s.rec, s.call() }

// calls returns a call of each counted method, through the meter m.
func calls(m *meter.Meter, s *script) map[string]func(context.Context) error {
	store := m.Store(s)
	return map[string]func(context.Context) error{
		"Create":         func(ctx context.Context) error { return store.Create(ctx, nil) },
		"Retrieve":       func(ctx context.Context) error { _, err := store.Retrieve(ctx, ""); return err },
		"Flush":          func(ctx context.Context) error { return store.Flush(ctx, nil) },
		"ChangeID":       func(ctx context.Context) error { return store.ChangeID(ctx, "", nil) },
		"Destroy":        func(ctx context.Context) error { return store.Destroy(ctx, "") },
		"DeleteExpired":  func(ctx context.Context) error { _, err := store.DeleteExpired(ctx); return err },
		"Touch":          func(ctx context.Context) error { return m.Toucher(s).Touch(ctx, "", time.Time{}) },
		"DestroySubject": func(ctx context.Context) error { return m.SubjectDestroyer(s).DestroySubject(ctx, "") },
		"Renamed":        func(ctx context.Context) error { _, err := m.RenameTracker(s).Renamed(ctx, ""); return err },
	}
}

// Each method is counted under its own name, together with its duration.
func TestMethods(t *testing.T) {
	outage := errors.New("connection refused")
	names := map[string]bool{}
	for name := range new(meter.Meter).Methods() {
		names[name] = true
	}
	require.Len(t, names, len(calls(new(meter.Meter), &script{})))
	for name := range names {
		synctest.Test(t, func(t *testing.T) {
			var m meter.Meter
			s := &script{takes: 3 * time.Millisecond, rec: &driver.Record{}}
			call := calls(&m, s)[name]
			require.NoError(t, call(t.Context()))
			require.NoError(t, call(t.Context()))
			s.takes, s.err = time.Minute, outage
			require.Equal(t, outage, call(t.Context()))

			for other, method := range m.Methods() {
				counts, sum := method.Latency()
				require.Len(t, counts, len(meter.Bounds)+1)
				if other != name {
					require.Zero(t, sum, other)
					require.Zero(t, method.Succeeded(), other)
					continue
				}
				require.Equal(t, time.Minute+6*time.Millisecond, sum)
				require.EqualValues(t, 2, method.Succeeded())
				for i, n := range counts {
					switch {
					case i == len(meter.Bounds):
						require.EqualValues(t, 1, n, "longer than all bounds")
					case meter.Bounds[i] == 5*time.Millisecond:
						require.EqualValues(t, 2, n)
					default:
						require.Zero(t, n, meter.Bounds[i])
					}
				}
			}
			require.EqualValues(t, 1, m.Errors.Load())
			if name == "DeleteExpired" {
				require.EqualValues(t, 9, m.Deleted.Load())
			}
		})
	}
}

// A call that takes exactly as long as a bound counts in the bucket of that bound.
func TestBounds(t *testing.T) {
	for i, bound := range meter.Bounds {
		synctest.Test(t, func(t *testing.T) {
			var m meter.Meter
			require.NoError(t, m.Store(&script{takes: bound}).Destroy(t.Context(), ""))
			require.NoError(t, m.Store(&script{takes: bound + 1}).Destroy(t.Context(), ""))
			counts, _ := m.Destroy.Latency()
			require.EqualValues(t, 1, counts[i], bound)
			require.EqualValues(t, 1, counts[i+1], bound)
		})
	}
}

func TestFailed(t *testing.T) {
	for _, tt := range []struct {
		err                        error
		conflicts, corrupt, errors int64
	}{
		{driver.ErrConflict, 1, 0, 0},
		{driver.ErrCorrupt, 0, 1, 0},
		{driver.ErrNotFound, 0, 0, 0},
		{driver.ErrExists, 0, 0, 0},
		{driver.ErrTooLarge, 0, 0, 0},
		{driver.ErrClosed, 0, 0, 0},
		{errors.ErrUnsupported, 0, 0, 0},
		{context.Canceled, 0, 0, 0},
		{context.DeadlineExceeded, 0, 0, 1},
		{errors.New("connection refused"), 0, 0, 1},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("memcached: %w", tt.err)} {
			var m meter.Meter
			m.Failed(t.Context(), err)
			require.Equal(t, []int64{tt.conflicts, tt.corrupt, tt.errors}, []int64{m.Conflicts.Load(), m.Corrupt.Load(), m.Errors.Load()}, err)
		}
	}
}

// A call that times out is an outage; a call that the caller's own context ends is not.
func TestFailedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter.Meter
		hang := func(ctx context.Context) error { <-ctx.Done(); m.Failed(ctx, ctx.Err()); return ctx.Err() }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, bounded.Call(ctx, time.Minute, hang))
		require.Zero(t, m.Errors.Load())
		require.Error(t, bounded.Call(t.Context(), time.Minute, hang))
		require.EqualValues(t, 1, m.Errors.Load())
	})
}

func TestRetrieveOfNothing(t *testing.T) {
	var m meter.Meter
	_, err := m.Store(&script{}).Retrieve(t.Context(), "")
	require.Equal(t, meter.ErrNoRecord, err)
	require.EqualValues(t, 1, m.Errors.Load())
}
