package histories

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// quietTB is the [testing.TB] of rapid. It hides what rapid prints about its draws, because the
// report of the program says more.
type quietTB struct {
	testing.TB
	failed bool
	text   string // the first failure that rapid reported
}

// check runs rapid, in a goroutine of its own because FailNow ends it. It reports whether rapid
// returned within limit.
func (t *quietTB) check(limit time.Duration, property func(*rapid.T)) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		rapid.Check(t, property)
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

func (t *quietTB) Errorf(format string, args ...any) {
	if !t.failed {
		t.text = fmt.Sprintf(format, args...)
	}
	t.failed = true
}

func (t *quietTB) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *quietTB) Error(args ...any)   { t.Errorf("%s", fmt.Sprint(args...)) }
func (t *quietTB) Fatal(args ...any)   { t.Fatalf("%s", fmt.Sprint(args...)) }
func (t *quietTB) Fail()               { t.Errorf("failed") }
func (t *quietTB) FailNow()            { t.Fatalf("failed") }
func (t *quietTB) Failed() bool        { return t.failed }
func (t *quietTB) Log(...any)          {}
func (t *quietTB) Logf(string, ...any) {}
func (t *quietTB) Helper()             {}
