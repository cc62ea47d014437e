package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"gosession.dev/session/driver"
)

// allSucceed is together, and fails the check if a call of f returns an error.
func (t *trial) allSucceed(n int, f func(i int) error) {
	t.Helper()
	for _, err := range together(n, f) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// together calls f with 0 to n-1, each in a goroutine of its own, and returns their errors. The
// goroutines start at once, in random order. A panic becomes an error.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, i := range rand.Perm(n) {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// rival returns the data that the i-th of several competing writers writes.
func rival(i int) string { return fmt.Sprint("rival ", i) }

// gone reports whether err says that another call was faster.
func gone(err error) bool {
	return errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict)
}

// oneWins checks that one of the competing calls has succeeded, and that each of the others
// has failed with one of the errors in lost. It returns the index of the winner.
func (t *trial) oneWins(call string, errs []error, lost ...error) (winner int) {
	t.Helper()
	winners := 0
	for i, err := range errs {
		if err == nil {
			winner = i
			winners++
			continue
		}
		if !slices.ContainsFunc(lost, func(want error) bool { return errors.Is(err, want) }) {
			t.Fatalf("%s, one of %d concurrent calls, = %s; want nil or %s", call, len(errs), text(err), text(lost[0]))
		}
	}
	if winners != 1 {
		t.Fatalf("%d of %d concurrent calls of %s succeed; want 1", winners, len(errs), call)
	}
	return winner
}

// unless is like [trial.expect], but any goroutine may call it: it returns nil if got matches
// want, and otherwise an error with the call, got and want.
func unless(got, want error, call string, args ...any) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("%s = %s; want %s", fmt.Sprintf(call, args...), text(got), text(want))
}
