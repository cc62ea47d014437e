// Package explore runs a test in every order in which its concurrent requests can make their
// calls to a store, and with a fault at each call. It runs the real code: a request is a
// goroutine, and each of its calls waits at a gate until the explorer lets it pass. Only one call
// passes at a time, so an execution is determined by a sequence of choices, the schedule, and a
// failure can be repeated from its schedule. If there are too many orders, it tries as many as
// the budget allows at random.
//
// A scenario is a function that is executed once for each order:
//
//	explore.Run(t, explore.Options{MaxFaults: 1}, func(x *explore.Execution) {
//		store := x.Store(memory.New(memory.Options{}))
//		... prepare records in store: calls outside of requests pass at once ...
//		x.Go(0, func(ctx context.Context) { err1 = work(ctx, store) }) // in process 0
//		x.Go(1, func(ctx context.Context) { err2 = work(ctx, store) }) // in process 1
//		x.Wait() // the explorer decides in which order they make their calls
//		... check the result, and report with x.Errorf what is wrong ...
//	})
//
// Executions run in bubbles of [testing/synctest], so pauses cost no time. Before each choice the
// explorer waits until every request has reached its next call. That excludes no order, because
// a call can wait at its gate as long as the explorer likes.
package explore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Options says how much to explore.
type Options struct {
	// Faults are the kinds of faults that happen; 0 means all kinds.
	Faults Fault

	// MaxFaults is the maximum number of faults in an execution.
	MaxFaults int

	// Budget is the maximum number of executions for each number of faults, including
	// executions that are cut short; 0 means 20,000. If it does not suffice for all orders, as
	// many again are executed at random.
	Budget int

	// Random is how long to continue with random executions after all others. The environment
	// variable SESSION_EXPLORE overrides it.
	Random time.Duration

	// Memory tells that processes remember something that matters, such as renamed keys if the
	// store keeps no marks. Without it, the order of two calls in one process matters only if it
	// would matter in two processes.
	Memory bool

	// Every disables the reduction: orders that differ only in independent calls are all
	// executed.
	Every bool
}

// Result is the result of an exploration.
type Result struct {
	Rounds  []Round
	Failure *Failure // the first one, or nil
}

// Round is a part of an exploration, with a maximum number of faults.
type Round struct {
	Faults     int // the maximum in an execution
	Executions int
	Repeats    int    // executions that were cut short, because they would repeat others
	Exhaustive bool   // all orders were executed
	Seed       uint64 // of random executions, otherwise 0
}

func (r Round) String() string {
	how := ", depth first, until the budget was spent"
	switch {
	case r.Exhaustive:
		how = ", all there are"
	case r.Seed != 0:
		how = fmt.Sprintf(", at random (seed %d)", r.Seed)
	}
	return fmt.Sprintf("at most %d faults: %d executions%s; %d cut short", r.Faults, r.Executions, how, r.Repeats)
}

// Failure is an execution in which the scenario has reported an error.
type Failure struct {
	Schedule string // repeats the execution if SESSION_SCHEDULE is set to it
	Messages string
	Log      string // of all calls
}

func (f *Failure) String() string {
	return fmt.Sprintf("SESSION_SCHEDULE=%s\n%s\n%s", f.Schedule, f.Messages, f.Log)
}

// Run explores scenario. It fails the test with the first execution that reports an error, and
// logs the numbers of executions.
func Run(t *testing.T, o Options, scenario func(*Execution)) {
	t.Helper()
	if text, found := os.LookupEnv("SESSION_SCHEDULE"); found {
		replay(t, text, scenario)
		return
	}
	if text := os.Getenv("SESSION_EXPLORE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SESSION_EXPLORE: %v", err)
		}
		o.Random = d
	}
	result := Search(t, o, scenario)
	for _, round := range result.Rounds {
		t.Log(round)
	}
	if result.Failure != nil {
		t.Error(result.Failure)
	}
}

// replay executes one schedule and logs its calls.
func replay(t *testing.T, text string, scenario func(*Execution)) {
	t.Helper()
	failure, log := Replay(t, text, scenario)
	t.Log(log)
	if failure != nil {
		t.Error(failure)
	}
}

// Replay executes one schedule. It returns the failure, or nil if the scenario has reported no
// error, and the log of the calls. It does not fail the test.
func Replay(t *testing.T, text string, scenario func(*Execution)) (failure *Failure, log string) {
	t.Helper()
	s, err := parseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	x := execute(t, s, scenario)
	if x.failed() {
		failure = x.failure()
	}
	return failure, x.formatLog()
}

// Search explores scenario until the first failure. It does not fail the test.
func Search(t *testing.T, o Options, scenario func(*Execution)) Result {
	t.Helper()
	if o.Faults == 0 {
		o.Faults = AllFaults
	}
	if o.Budget == 0 {
		o.Budget = 20_000
	}
	s := &search{t: t, o: o, scenario: scenario}
	seed := rand.Uint64()
	for faults := 0; faults <= o.MaxFaults && s.result.Failure == nil; faults++ {
		if !s.exhaust(faults) && s.result.Failure == nil {
			s.random(faults, seed, func(done int) bool { return done < o.Budget })
		}
	}
	if s.result.Failure == nil && o.Random > 0 {
		end := time.Now().Add(o.Random)
		s.random(o.MaxFaults+1, seed+1, func(int) bool { return time.Now().Before(end) })
	}
	return s.result
}
