package drivertest

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

// recorder is the [testing.TB] of a check that may fail without failing the
// test: it only takes down what happens.
type recorder struct {
	testing.TB

	mu       sync.Mutex // guards what follows
	failed   bool
	skipped  bool
	lines    []string
	cleanups []func()
}

// record runs c on tgt in a bubble, where waiting costs no time.
func record(t *testing.T, c check, tgt Target) *recorder {
	r := &recorder{TB: t}
	synctest.Test(t, func(t *testing.T) {
		r.await(func() { c.run(r, tgt) })
		for _, f := range slices.Backward(r.cleanups) {
			r.await(f)
		}
		time.Sleep(time.Hour) // until calls that were given up on are over
	})
	return r
}

// await runs f in a goroutine, for FailNow and Skip end that.
func (r *recorder) await(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) log(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.lines = append(r.lines, strings.TrimSpace(text))
}

func (r *recorder) text() string { return strings.Join(r.lines, "\n") }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Helper()                      {}
func (r *recorder) Log(args ...any)              { r.log(false, fmt.Sprintln(args...)) }
func (r *recorder) Logf(f string, args ...any)   { r.log(false, fmt.Sprintf(f, args...)) }
func (r *recorder) Fail()                        { r.log(true, "") }
func (r *recorder) FailNow()                     { r.Fail(); runtime.Goexit() }
func (r *recorder) Error(args ...any)            { r.log(true, fmt.Sprintln(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.log(true, fmt.Sprintf(f, args...)) }
func (r *recorder) Fatal(args ...any)            { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); runtime.Goexit() }
func (r *recorder) Skip(args ...any)             { r.Log(args...); r.SkipNow() }
func (r *recorder) Skipf(f string, args ...any)  { r.Logf(f, args...); r.SkipNow() }
