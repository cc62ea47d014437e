package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"gosession.dev/session/driver"
)

// allSucceed calls f with 0 to n-1 in as many goroutines, which start together.
func (t *trial) allSucceed(n int, f func(i int) error) {
	t.Helper()
	for _, err := range together(n, f) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// together calls f with 0 to n-1 in as many goroutines, which start together and
// in any order, and returns what each returned. A panic becomes an error.
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

// rival is the data that the i-th of several competing writers writes.
func rival(i int) string { return fmt.Sprint("rival ", i) }

// gone tells whether err says that somebody else was faster.
func gone(err error) bool {
	return errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict)
}

// oneWins checks that one of the competing calls succeeded and that each other
// failed with one of the errors in lost. It returns which succeeded.
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
			t.Fatalf("%s, one of %d at once, = %s; want nil or %s", call, len(errs), text(err), text(lost[0]))
		}
	}
	if winners != 1 {
		t.Fatalf("%s, %d at once, succeeded %d times; want 1", call, len(errs), winners)
	}
	return winner
}

// unless returns an error that tells call, got and want, or nil if got matches
// want: [trial.expect] for other goroutines.
func unless(got, want error, call string, args ...any) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("%s = %s; want %s", fmt.Sprintf(call, args...), text(got), text(want))
}
