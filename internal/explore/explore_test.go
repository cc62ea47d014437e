package explore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/explore"
)

func record(key, data string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(data), Created: now, Expires: now.Add(time.Hour)}
}

// calls returns a scenario of requests that each call Destroy as often as counts says.
func calls(key func(request int) string, counts ...int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		s := x.Store(memory.New(memory.Options{}), explore.Traits{})
		for i, n := range counts {
			x.Go(i, func(ctx context.Context) {
				for range n {
					_ = s.Destroy(ctx, key(i))
				}
			})
		}
		x.Wait()
	}
}

func one(int) string                      { return "k" }
func own(i int) string                    { return fmt.Sprint("k", i) }
func executions(r explore.Result) (n int) { return r.Rounds[len(r.Rounds)-1].Executions }

func TestAllOrders(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      explore.Options
		key    func(int) string
		counts []int
		want   int
	}{
		{"two requests", explore.Options{}, one, []int{4, 3}, 35},      // 7 over 3
		{"three requests", explore.Options{}, one, []int{2, 2, 2}, 90}, // 6! / 2^3
		{"independent requests", explore.Options{}, own, []int{4, 3}, 1},
		{"independent requests in every order", explore.Options{Every: true}, own, []int{4, 3}, 35},
		{"a failing call", explore.Options{MaxFaults: 1, Faults: explore.Fail}, one, []int{3}, 4},
		{"two failing calls", explore.Options{MaxFaults: 2, Faults: explore.Fail}, one, []int{3}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			result := explore.Search(t, test.o, calls(test.key, test.counts...))
			last := result.Rounds[len(result.Rounds)-1]
			if result.Failure != nil || !last.Exhaustive || last.Executions != test.want {
				t.Errorf("Search = %v, %v; want %d executions", result.Rounds, result.Failure, test.want)
			}
		})
	}
}

// increment adds one to a number. If conditional is false, it ignores that the version may have
// changed since it read the number.
func increment(ctx context.Context, s driver.Store, conditional bool) error {
	for {
		r, err := s.Retrieve(ctx, "k")
		if err != nil {
			return err
		}
		var n int
		fmt.Sscan(string(r.Data), &n)
		r.Data = fmt.Append(nil, n+1)
		if !conditional {
			again, err := s.Retrieve(ctx, "k")
			if err != nil {
				return err
			}
			r.Version = again.Version
		}
		err = s.Flush(ctx, r)
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}

func counting(conditional bool, outcomes map[string]int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		inner := memory.New(memory.Options{})
		if err := inner.Create(context.Background(), record("k", "0")); err != nil {
			x.Errorf("create: %v", err)
		}
		s := x.Store(inner, explore.Traits{})
		var errs [2]error
		var requests [2]*explore.Request
		for i := range errs {
			requests[i] = x.Go(i, func(ctx context.Context) { errs[i] = increment(ctx, s, conditional) })
		}
		x.Wait()
		sure, possible := 0, 0
		for i, r := range requests {
			if !r.Ended() || errs[i] != nil {
				possible++
			} else {
				sure++
			}
		}
		got, err := inner.Retrieve(context.Background(), "k")
		if err != nil {
			x.Errorf("retrieve: %v", err)
			return
		}
		var n int
		fmt.Sscan(string(got.Data), &n)
		outcomes[fmt.Sprint(n, sure, errs[0] != nil, errs[1] != nil)]++
		if n < sure || n > sure+possible {
			x.Errorf("the number is %d after %d successful increments and %d of unknown outcome", n, sure, possible)
		}
	}
}

func TestFindsLostUpdate(t *testing.T) {
	for _, o := range []explore.Options{{}, {Every: true}, {Budget: 5}} {
		result := explore.Search(t, o, counting(false, map[string]int{}))
		if result.Failure == nil {
			t.Fatalf("%+v: the lost update was not found: %v", o, result.Rounds)
		}
		again, _ := explore.Replay(t, result.Failure.Schedule, counting(false, map[string]int{}))
		if again == nil || *again != *result.Failure {
			t.Errorf("Replay = %v; want %v", again, result.Failure)
		}
	}
}

// The reduction executes fewer orders, and they have all outcomes.
func TestReductionLosesNothing(t *testing.T) {
	reduced, all := map[string]int{}, map[string]int{}
	o := explore.Options{MaxFaults: 2}
	few := explore.Search(t, o, counting(true, reduced))
	o.Every = true
	many := explore.Search(t, o, counting(true, all))
	if few.Failure != nil || many.Failure != nil {
		t.Fatal(few.Failure, many.Failure)
	}
	if executions(few) >= executions(many) || !maps.EqualFunc(reduced, all, func(int, int) bool { return true }) {
		t.Errorf("outcomes of %v are %v; want the outcomes of %v: %v", few.Rounds, slices.Sorted(maps.Keys(reduced)), many.Rounds, slices.Sorted(maps.Keys(all)))
	}
	t.Log(few.Rounds, many.Rounds)
}

// The crash of a process stops both of its requests, and none of another process.
func TestCrash(t *testing.T) {
	crashes := 0
	explore.Run(t, explore.Options{MaxFaults: 1, Faults: explore.Crash}, func(x *explore.Execution) {
		s := x.Store(memory.New(memory.Options{}), explore.Traits{})
		var requests [3]*explore.Request
		for i := range requests {
			requests[i] = x.Go(i/2, func(ctx context.Context) {
				for n := range 2 {
					_ = s.Create(ctx, record(fmt.Sprint(i, n), ""))
				}
			})
		}
		x.Wait()
		for i, r := range requests {
			if !r.Ended() && !x.Crashed(i/2) {
				x.Errorf("request %d has not ended", i)
			}
		}
		if x.Crashed(0) || x.Crashed(1) {
			crashes++
		}
		if x.Crashed(0) && requests[0].Ended() && requests[1].Ended() {
			x.Errorf("process 0 has crashed, and both of its requests have ended")
		}
	})
	if crashes == 0 {
		t.Error("there was no crash")
	}
}

// Pauses take no real time, and exclude no order.
func TestPauses(t *testing.T) {
	const pause, pauses = 30 * time.Millisecond, 2 // of an execution
	var paused, least time.Duration
	for try := range 5 { // a busy machine may stop a run for a while
		seen := map[string]bool{}
		paused = 0
		begin := time.Now()
		explore.Run(t, explore.Options{}, func(x *explore.Execution) {
			s := x.Store(memory.New(memory.Options{}), explore.Traits{})
			order := ""
			for i := range 2 {
				x.Go(i, func(ctx context.Context) {
					for range pauses {
						time.Sleep(time.Duration(i) * pause)
						_ = s.Destroy(ctx, "k")
						order += fmt.Sprint(i)
					}
				})
			}
			x.Wait()
			seen[order] = true
			paused += pauses * pause
		})
		if took := time.Since(begin); try == 0 || took < least {
			least = took
		}
		if len(seen) != 6 {
			t.Errorf("orders are %v; want all 6", seen)
		}
	}
	if least >= paused {
		t.Errorf("Run took %v; want less than its pauses, which are %v", least, paused)
	}
}

// twoStepDriver opens TwoStep stores. Stores with the same DSN share their records.
type twoStepDriver struct{ byDSN sync.Map }

func (d *twoStepDriver) Open(dsn string) (driver.Store, error) {
	shared, ok := d.byDSN.Load(dsn)
	if !ok {
		return nil, errors.New("no such store")
	}
	s := &opened{}
	s.Store = intercept.New(shared.(driver.Store), func(ctx context.Context, _ string, do func(context.Context) error) error {
		if s.closed.Load() {
			return driver.ErrClosed
		}
		return do(ctx)
	})
	return s, nil
}

type opened struct {
	*intercept.Store
	closed atomic.Bool
}

func (s *opened) Close() error {
	s.closed.Store(true)
	return nil
}

func TestTwoStepConformance(t *testing.T) {
	d := &twoStepDriver{}
	drivertest.Run(t, drivertest.Target{
		Driver: d,
		DSN: func(t testing.TB) string {
			dsn := fmt.Sprintf("%p", new(int))
			d.byDSN.Store(dsn, &explore.TwoStep{})
			return dsn
		},
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister |
			drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
		Skip: map[string]string{"Version/ThereAndBack": "it renames onto a mark"},
	})
}
