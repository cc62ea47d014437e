package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// Flushes update a row within its page and leave the indexes alone (HOT), if a user makes a request
// every 5 seconds: then package session moves the expiry with one of 36 flushes.
func TestFlushesAreHOT(t *testing.T) {
	const (
		// With more writers to the same few pages, statements that the system has suspended keep
		// old rows from being removed.
		writers = 1

		sessions, flushes = 160, 40
		idle              = time.Hour // package session moves the expiry after a twentieth of it
		pause             = 5 * time.Second
	)
	ctx := t.Context()
	p := newPlace(t, "")
	dsn := p.dsn(newTable())
	s := open(t, dsn)
	require.NoError(t, s.Ping(ctx))
	failed, err := atOnce(writers, func(i int) error {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		values := func(size int) []byte { // which can't be compressed
			b := make([]byte, (size+random.IntN(1+size/10))/2)
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			return fmt.Appendf(nil, `{"v":"%x"}`, b[4:])
		}
		records, moved, sizes := make([]*driver.Record, sessions/writers), make([]time.Duration, sessions/writers), make([]int, sessions/writers)
		for n := range records {
			records[n] = record(fmt.Sprint(i, "-", n), idle)
			sizes[n] = 200 + random.IntN(1600)
			records[n].Data = values(sizes[n])
			moved[n] = time.Duration(random.Int64N(int64(idle / 20))) // sessions begin at all times
			if err := s.Create(ctx, records[n]); err != nil {
				return err
			}
		}
		for f := range flushes {
			for n, r := range records {
				r.Data = values(sizes[n])
				if used := moved[n] + time.Duration(f)*pause; used/(idle/20) != (used-pause)/(idle/20) {
					r.Expires = r.Created.Add(used + idle)
				}
				if err := s.Flush(ctx, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	require.Zero(t, failed, "%v", err)
	require.NoError(t, s.Close()) // the server counts what a connection has done when it ends
	var updates, hot int
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		stats := p.Exec(t, p.database, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '"+param(t, dsn, "session_table", "")+"'")
		_, err := fmt.Sscanf(stats, "%d|%d", &updates, &hot)
		require.NoError(t, err)
		if updates >= sessions*flushes { // Ping updates too
			break
		}
	}
	require.GreaterOrEqual(t, updates, sessions*flushes, "updates that the server has counted")
	t.Logf("%d of %d updates were HOT", hot, updates)
	require.GreaterOrEqual(t, float64(hot)/float64(updates), 0.95, "share of HOT updates")
}
