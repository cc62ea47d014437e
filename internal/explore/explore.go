// Package explore runs a test in every order in which the requests of the test can
// make their calls to a store, with a fault at each call. It runs the real code: a
// request is a goroutine, and each of its calls waits at a gate until the explorer
// lets it pass. Only one call passes at a time, so an execution is a sequence of
// choices, and a failing one can be repeated from that sequence.
//
// A scenario is a function that is executed once per order:
//
//	explore.Run(t, explore.Options{MaxFaults: 1}, func(x *explore.Execution) {
//		store := x.Store(memory.New(memory.Options{}))
//		... prepare records in store: calls outside requests pass at once ...
//		x.Go(0, func(ctx context.Context) { err1 = work(ctx, store) }) // in process 0
//		x.Go(1, func(ctx context.Context) { err2 = work(ctx, store) })
//		x.Wait() // the explorer decides in which order they make their calls
//		... report by x.Errorf what must not be ...
//	})
//
// Executions run in the bubbles of [testing/synctest], so pauses cost no time. A
// request that pauses or computes is given the time to reach its next call before
// the explorer chooses again. That loses no order, because the call can wait at its
// gate for as long as it takes.
package explore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Options says how far to explore.
type Options struct {
	// Faults are the kinds that occur; 0 is all of them.
	Faults Fault

	// MaxFaults is how many faults an execution has at most.
	MaxFaults int

	// Budget is how many executions there are at most for each number of faults,
	// including executions that are cut short; 0 is 20,000. If it does not suffice for
	// all orders, as many are chosen at random.
	Budget int

	// Random is how long random executions go on after the others. Environment
	// variable SESSION_EXPLORE overrides it.
	Random time.Duration

	// Memory says that processes remember something that makes a difference, such as
	// renamed keys where the store has no marks. Without it, the order of two calls of
	// one process matters only if it does for two processes.
	Memory bool

	// Every disables the reduction: also orders are executed that differ only in
	// calls that do not concern each other.
	Every bool
}

// Result is what an exploration has found.
type Result struct {
	Rounds  []Round
	Failure *Failure // the first one, or nil
}

// Round is a part of an exploration: all executions of at most so many faults.
type Round struct {
	Faults     int
	Executions int
	Repeats    int    // executions that were cut short, because they repeat others
	Exhaustive bool   // these are all
	Seed       uint64 // of random ones, else 0
}

func (r Round) String() string {
	how := ", depth first"
	switch {
	case r.Exhaustive:
		how = ", which are all"
	case r.Seed != 0:
		how = fmt.Sprintf(", at random (seed %d)", r.Seed)
	}
	return fmt.Sprintf("at most %d faults: %d executions%s, and %d cut short", r.Faults, r.Executions, how, r.Repeats)
}

// Failure is an execution in which the scenario has reported something.
type Failure struct {
	Schedule string // repeats the execution if SESSION_SCHEDULE is set to it
	Messages string
	Log      string // of all calls
}

func (f *Failure) String() string {
	return fmt.Sprintf("SESSION_SCHEDULE=%s\n%s\n%s", f.Schedule, f.Messages, f.Log)
}

// Run explores scenario, fails the test with the first execution that reports
// something, and logs how many there were.
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

// Replay executes one schedule, and returns what the scenario has reported, if
// anything, and the log of its calls. It does not fail the test.
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

// Search explores scenario up to the first failure. It does not fail the test.
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
