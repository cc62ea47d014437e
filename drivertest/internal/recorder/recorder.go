// Package recorder has a [testing.TB] for tests of conformance tests: it records what a check
// reports.
package recorder

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TB is the [testing.TB] of a check that may fail without failing the test: it records what the
// check reports.
type TB struct {
	testing.TB

	mu       sync.Mutex // guards what follows
	failed   bool
	skipped  bool
	lines    []string
	cleanups []func()
}

// New returns a recorder. It passes calls of other methods on to t.
func New(t *testing.T) *TB { return &TB{TB: t} }

// InBubble runs f in a bubble of package synctest, where waiting takes no time, and returns what f
// has reported.
func InBubble(t *testing.T, f func(testing.TB)) *TB {
	r := New(t)
	synctest.Test(t, func(t *testing.T) {
		r.Await(func() { f(r) })
		for _, cleanup := range slices.Backward(r.cleanups) {
			r.Await(cleanup)
		}
		time.Sleep(time.Hour) // until abandoned calls have returned
	})
	return r
}

// Run runs f outside of any bubble, and returns what f has reported.
func Run(t *testing.T, f func(testing.TB)) *TB {
	r := New(t)
	r.Await(func() { f(r) })
	for _, cleanup := range slices.Backward(r.cleanups) {
		r.Await(cleanup)
	}
	return r
}

// Await runs f in a goroutine of its own, which FailNow and SkipNow end, and waits for its end.
func (r *TB) Await(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *TB) log(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.lines = append(r.lines, strings.TrimSpace(text))
}

// Text returns what was logged, one line for each call.
func (r *TB) Text() string { return strings.Join(r.lines, "\n") }

func (r *TB) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *TB) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

func (r *TB) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *TB) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *TB) Helper()                      {}
func (r *TB) Log(args ...any)              { r.log(false, fmt.Sprintln(args...)) }
func (r *TB) Logf(f string, args ...any)   { r.log(false, fmt.Sprintf(f, args...)) }
func (r *TB) Fail()                        { r.log(true, "") }
func (r *TB) FailNow()                     { r.Fail(); runtime.Goexit() }
func (r *TB) Error(args ...any)            { r.log(true, fmt.Sprintln(args...)) }
func (r *TB) Errorf(f string, args ...any) { r.log(true, fmt.Sprintf(f, args...)) }
func (r *TB) Fatal(args ...any)            { r.Error(args...); runtime.Goexit() }
func (r *TB) Fatalf(f string, args ...any) { r.Errorf(f, args...); runtime.Goexit() }
func (r *TB) Skip(args ...any)             { r.Log(args...); r.SkipNow() }
func (r *TB) Skipf(f string, args ...any)  { r.Logf(f, args...); r.SkipNow() }
