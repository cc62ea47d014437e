package memory

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"
)

const (
	// shardCount bounds both how many goroutines wait for one lock and how many
	// keys one page of a listing takes.
	shardCount = 256

	// sweepBatch bounds how long a sweep holds one lock.
	sweepBatch = 256
)

// records is all that stores of one name share.
type records struct {
	now      func() time.Time
	shards   [shardCount]shard
	seed     maphash.Seed
	max      int // 0 is no limit
	count    atomic.Int64
	versions atomic.Uint64
}

func newRecords(o Options) *records {
	rs := &records{now: o.Now, seed: maphash.MakeSeed(), max: o.MaxSessions}
	if rs.now == nil {
		rs.now = time.Now
	}
	for i := range rs.shards {
		rs.shards[i].init(i)
	}
	return rs
}

func (rs *records) shard(key string) *shard {
	return &rs.shards[maphash.String(rs.seed, key)%shardCount]
}

// nextVersion is unique in the store, so that no two states of a key share one.
func (rs *records) nextVersion() uint64 { return rs.versions.Add(1) }

// reserve counts a record that is about to be added. A full store makes room by
// deleting what has expired.
func (rs *records) reserve(now time.Time) error {
	if rs.count.Add(1) <= int64(rs.max) || rs.max == 0 {
		return nil
	}
	for i := range rs.shards {
		for rs.deleteExpired(&rs.shards[i], now) == sweepBatch {
		}
	}
	if rs.count.Load() > int64(rs.max) {
		rs.unreserve(1)
		return fmt.Errorf("memory: the store is full, max_sessions=%d; raise it, or shorten the timeouts", rs.max)
	}
	return nil
}

func (rs *records) unreserve(n int) { rs.count.Add(int64(-n)) }

// deleteExpired deletes at most a batch of sh and returns how many. Marks do not
// count.
func (rs *records) deleteExpired(sh *shard, now time.Time) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.marks.deleteExpired(now)
	n := 0
	for n < sweepBatch && len(sh.byExpiry) > 0 && !sh.byExpiry[0].live(now) {
		sh.remove(sh.byExpiry[0])
		n++
	}
	rs.unreserve(n)
	return n
}
