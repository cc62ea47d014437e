package memory

import (
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"
)

const (
	// shardCount is the number of locks, so that few goroutines contend for one of them, and of
	// the pages of a listing.
	shardCount = 256

	// sweepBatch limits how long a sweep holds one lock.
	sweepBatch = 256
)

// records is the state that stores of one name share.
type records struct {
	now      func() time.Time
	shards   [shardCount]shard
	seed     maphash.Seed
	max      int // of sessions; 0 means no limit
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

// nextVersion returns a version that no other write of the store gets, so that no two states of a
// record have the same one.
func (rs *records) nextVersion() uint64 { return rs.versions.Add(1) }

// reserve counts a record that the caller is about to add. If the store is full, reserve deletes
// expired records first.
func (rs *records) reserve(now time.Time) error {
	if rs.tryReserve() {
		return nil
	}
	for i := range rs.shards {
		for rs.deleteExpired(&rs.shards[i], now) == sweepBatch {
		}
	}
	if rs.tryReserve() {
		return nil
	}
	return errors.New("memory: the store has as many sessions as max_sessions allows; raise max_sessions, or shorten the timeouts")
}

// tryReserve increases the count unless it has reached max. It never exceeds max, not even for a
// moment, because a concurrent Create that has room would then fail.
func (rs *records) tryReserve() bool {
	for {
		n := rs.count.Load()
		if rs.max > 0 && n >= int64(rs.max) {
			return false
		}
		if rs.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (rs *records) unreserve(n int) { rs.count.Add(int64(-n)) }

// deleteExpired deletes the expired marks of sh and up to sweepBatch expired records, and returns
// the number of records.
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
