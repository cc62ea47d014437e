package histories

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// together calls f with 0 to n-1, each in a goroutine of its own, and returns their errors. The
// goroutines start at once, in random order. A panic becomes an error.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, i := range rand.Perm(n) {
		wg.Go(func() {
			<-start
			errs[i] = recovered(func() error { return f(i) })
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// within calls f and returns its error, or another error if f does not return within limit. So a
// store that hangs fails its own test, and does not stop all tests.
func within(limit time.Duration, f func() error) error {
	result := make(chan error, 1)
	go func() { result <- recovered(f) }()
	select {
	case err := <-result:
		return err
	case <-time.After(limit):
		return fmt.Errorf("no return within %v", limit)
	}
}

// recovered calls f and returns its error. A panic becomes an error.
func recovered(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// collect returns the keys that seq yields, up to its first error.
func collect(seq iter.Seq2[string, error]) ([]string, error) {
	var keys []string
	for key, err := range seq {
		if err != nil {
			return keys, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// unless returns nil if got matches want, and otherwise an error with the call, got and want.
func unless(got, want error, call string, args ...any) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("%s = %s; want %s", fmt.Sprintf(call, args...), text(got), text(want))
}

// text returns err as messages print it after a call.
func text(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("error %q", err)
}
