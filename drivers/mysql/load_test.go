package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Under load, no call fails for a deadlock or a lock, at any isolation level.
func TestDeadlocks(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for name, s := range map[string]driver.Store{
		"by DSN":                     open(t, newDSN(t, server, "session_max_conns=64")),
		"by DSN, at repeatable read": open(t, newDSN(t, server, "session_max_conns=64&tx_isolation=REPEATABLE-READ")),
		"own, at serializable":       own(t, newDSN(t, server, "tx_isolation=%27SERIALIZABLE%27")),
	} {
		t.Run(name, func(t *testing.T) {
			before := deadlocks(t, server)
			howLong := time.Second
			if *long {
				howLong = 20 * time.Second
			}
			took := load(t, s, howLong)
			slices.Sort(took)
			t.Logf("%d calls, median %v, p99 %v, max %v; %s deadlocks before, %s after",
				len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1], before, deadlocks(t, server))
		})
	}
}

func deadlocks(t *testing.T, server testserver.MariaDB) string {
	return server.Exec(t, "", "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_DEADLOCKS'")
}

// load makes calls on a few keys and subjects for some time, in many goroutines, and returns how long
// they took.
func load(t *testing.T, s driver.Store, howLong time.Duration) []time.Duration {
	const goroutines, keys, subjects = 64, 100, 50
	require.NoError(t, s.(driver.Pinger).Ping(t.Context()))
	end := time.Now().Add(howLong)
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			var took []time.Duration
			for n := 0; time.Now().Before(end); n++ {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				begin := time.Now()
				name, err := randomCall(ctx, s, fmt.Sprint("k", rand.N(keys)), fmt.Sprint("k", rand.N(keys)), fmt.Sprint("s", rand.N(subjects)), g == 0)
				took = append(took, time.Since(begin))
				cancel()
				if err != nil && !isAnswer(err) {
					t.Errorf("%s = %v", name, err)
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wg.Wait()
	return all
}

func isAnswer(err error) bool {
	return errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrConflict)
}

func randomCall(ctx context.Context, s driver.Store, key, other, subject string, sweeps bool) (string, error) {
	r := record(key)
	r.Subject = subject
	if rand.N(3) == 0 {
		r.Expires = time.Now().Add(20 * time.Millisecond).UTC().Truncate(time.Millisecond)
	}
	n := rand.N(20)
	if n >= 8 && n < 16 {
		stored, err := s.Retrieve(ctx, key)
		if err != nil {
			return "Retrieve", err
		}
		stored.Subject, stored.Expires = r.Subject, r.Expires
		r = stored
	}
	switch {
	case n < 8:
		return "Create", s.Create(ctx, r)
	case n < 13:
		return "Flush", s.Flush(ctx, r)
	case n < 16:
		r.Key = other
		return "ChangeID", s.ChangeID(ctx, key, r)
	case n < 17:
		return "Touch", s.(driver.Toucher).Touch(ctx, key, r.Expires)
	case n < 18:
		return "Destroy", s.Destroy(ctx, key)
	case n < 19 || !sweeps:
		if rand.N(4) > 0 {
			return "none", nil
		}
		return "DestroySubject", s.(driver.SubjectDestroyer).DestroySubject(ctx, subject)
	}
	_, err := s.DeleteExpired(ctx)
	return "DeleteExpired", err
}
