package mongo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// The first writes after a restart of the server succeed, also on a server that is not a replica set
// and has no retryable writes.
func TestWritesAfterRestart(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMongo(t)
	if m.Server == nil {
		t.Skip("SESSION_TEST_MONGO_URI names a server, and this test needs one that can be killed: unset it")
	}
	s := openMonitored(t, newDSN(m, ""), nil)
	const callers = 64
	records := make([]*driver.Record, callers)
	for name, call := range map[string]func(i int) error{
		"Create": func(i int) error { return s.Create(ctx, record(fmt.Sprint("new", i))) },
		"Flush":  func(i int) error { return s.Flush(ctx, records[i]) },
		"ChangeID": func(i int) error {
			renamed := *records[i]
			renamed.Key += "-new"
			return s.ChangeID(ctx, records[i].Key, &renamed)
		},
		"Touch":          func(i int) error { return s.Touch(ctx, records[i].Key, time.Now().Add(time.Hour)) },
		"Destroy":        func(i int) error { return s.Destroy(ctx, records[i].Key) },
		"DestroySubject": func(i int) error { return s.DestroySubject(ctx, records[i].Key) },
		"Ping":           func(int) error { return s.Ping(ctx) },
	} {
		atOnce := func(call func(i int) error) (failed int64, last error) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range callers {
				wg.Go(func() {
					if err := call(i); err != nil {
						mu.Lock()
						defer mu.Unlock()
						failed, last = failed+1, err
					}
				})
			}
			wg.Wait()
			return failed, last
		}
		_, err := atOnce(func(i int) error {
			records[i] = record(fmt.Sprint(name, i))
			return s.Create(ctx, records[i])
		})
		require.NoError(t, err)
		m.Stop()
		m.Start()
		failed, err := atOnce(call)
		require.Zero(t, failed, "of 64 calls of %s failed, the last with %v", name, err)
	}
}

// closeConn makes the fake server close the connection, because it can't encode it.
var closeConn = bson.D{{Key: "closes the connection", Value: make(chan int)}}

// The store retries a write once whose answer is lost. If the write was executed, the store finds it
// by its version. If another write has overwritten it, the outcome is not known, which is an outage
// and not a conflict.
func TestLostAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		lost        int  // number of lost answers
		executed    bool // the first write was executed
		overwritten bool // by another write
		fails       bool
	}{
		"not executed":               {1, false, false, false},
		"executed":                   {1, true, false, false},
		"executed and overwritten":   {1, true, true, true},
		"two answers lost":           {2, false, false, true},
		"two answers lost, executed": {2, true, false, false},
	} {
		for _, verb := range []string{"insert", "update"} {
			t.Run(name+", "+verb, func(t *testing.T) {
				var lost atomic.Int64
				var version atomic.Int64
				s, _ := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
					switch names([]bson.Raw{command})[0] {
					case verb:
						if verb == "insert" {
							version.Store(command.Lookup("documents", "0", "version").Int64())
						} else {
							version.Store(command.Lookup("updates", "0", "u", "$set", "version").Int64())
						}
						switch n := int(lost.Add(1)); {
						case n <= tt.lost:
							return closeConn
						case tt.executed && verb == "insert":
							return writeError(codeDuplicate)
						case tt.executed:
							return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}}
						}
					case "find":
						if filter, ok := command.Lookup("filter", "version").Int64OK(); ok && filter == version.Load() && tt.executed && !tt.overwritten {
							return found(bson.D{{Key: "_id", Value: 1}})
						}
					}
					return nil
				})+"/db?retryWrites=false")
				r := record("k")
				r.Version = 1
				write := s.Create
				if verb == "update" {
					write = s.Flush
				}
				err := write(t.Context(), r)
				if !tt.fails {
					require.NoError(t, err)
					require.Equal(t, uint64(version.Load()), r.Version)
					return
				}
				isOutage(t, err, name)
				require.Equal(t, uint64(1), r.Version)
				require.LessOrEqual(t, lost.Load(), int64(2))
			})
		}
	}
}

// If the answer to Destroy is lost and a second attempt finds no record, the outcome is not known: it
// is an outage, and not ErrNotFound.
func TestLostAnswerOfDestroy(t *testing.T) {
	for removed, fails := range map[int]bool{0: true, 1: false} {
		var calls atomic.Int64
		s, _ := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
			switch {
			case names([]bson.Raw{command})[0] != "delete":
				return nil
			case calls.Add(1) == 1:
				return closeConn
			}
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: removed}}
		})+"/db?retryWrites=false")
		if err := s.Destroy(t.Context(), "k"); fails {
			isOutage(t, err, "Destroy")
		} else {
			require.NoError(t, err)
		}
		require.EqualValues(t, 2, calls.Load(), "attempts")
	}
}

// A loop ends with its context, also if each round changes something.
func TestLoopsEndWithTheirContext(t *testing.T) {
	s, _ := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
		switch names([]bson.Raw{command})[0] {
		case "insert", "update":
			if _, err := command.LookupErr("updates", "0", "u", "$unset"); err != nil {
				return writeError(codeDuplicate)
			}
		case "find":
			if _, err := command.LookupErr("projection", "was"); err == nil { // of ChangeID
				return found(bson.D{{Key: "key", Value: "k"}})
			}
			many := make([]bson.D, batchSize)
			for i := range many {
				many[i] = bson.D{{Key: "_id", Value: i}, {Key: "key", Value: fmt.Sprint(i)}}
			}
			if _, err := command.LookupErr("filter", "expires"); err == nil {
				return found(many...)
			}
		}
		return nil
	})+"/db")
	_, err := s.ready(t.Context())
	require.NoError(t, err)
	s.ttlRecords.Store(false)
	r := record("n")
	r.Version = 1
	for name, call := range map[string]func(context.Context) error{
		"Create":        func(ctx context.Context) error { return s.Create(ctx, record("k")) },
		"ChangeID":      func(ctx context.Context) error { return s.ChangeID(ctx, "k", r) },
		"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start := time.Now()
		err := call(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.Less(t, time.Since(start), 30*time.Second, name)
		isOutage(t, err, name)
	}
}
