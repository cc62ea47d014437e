package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are an eighth of their size wide, in constant memory.
type histogram struct {
	count   atomic.Int64
	buckets [64 * 8]atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	h.count.Add(1)
	h.buckets[bucket(d)].Add(1)
}

// bucket returns the bucket of d, which is made of the exponent of d and the three bits after its
// leading one.
func bucket(d time.Duration) int {
	n := max(uint64(d), 8)
	exponent := bits.Len64(n) - 4
	return exponent*8 + int(n>>exponent)&7
}

// quantile returns the upper end of the bucket that contains the q-quantile.
func (h *histogram) quantile(q float64) time.Duration {
	left := max(1, int64(q*float64(h.count.Load())))
	for i := range h.buckets {
		if left -= h.buckets[i].Load(); left <= 0 {
			return time.Duration((8 + i%8 + 1) << (i / 8)).Round(100 * time.Nanosecond)
		}
	}
	return 0
}
