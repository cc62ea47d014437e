package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"
)

// atOnce makes n concurrent calls and returns the number of failures and one of the errors.
func atOnce(n int, call func(i int) error) (failed int, last error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			if err := call(i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed, last = failed+1, err
			}
		})
	}
	close(begin)
	wg.Wait()
	return failed, last
}

// contextFor returns a context that ends with the test, and after a time.
func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// clearPassword makes pgx use no password but that of the DSN.
func clearPassword(t testing.TB) { t.Setenv("PGPASSWORD", "") }
