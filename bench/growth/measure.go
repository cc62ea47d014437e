package main

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	samples  = 5000 // calls of a median
	requests = 1000 // live sessions that are used in turn during a sweep
	keySize  = 43   // bytes
)

func measure(ctx context.Context, open opener, n int) (row, error) {
	r := row{sessions: n, overhead: math.NaN()}
	before := heap()
	s, err := open()
	if err != nil {
		return r, err
	}
	if err := fill(ctx, s, 0, n, time.Now().Add(time.Hour)); err != nil {
		return r, err
	}
	if s.inMemory() {
		r.overhead = float64(heap()-before)/float64(n) - payloadSize - keySize
	}
	if r.retrieve, err = median(func(key string) error { return s.retrieve(ctx, key) }, n); err != nil {
		return r, err
	}
	if r.flush, err = median(func(key string) error { return s.flush(ctx, key) }, n); err != nil {
		return r, err
	}
	start := time.Now()
	r.listHeap = peak(func() { _, err = s.list(ctx) })
	r.list = time.Since(start)
	if err != nil {
		return r, err
	}
	if err := s.Close(); err != nil || n > 1_000_000 {
		return r, err
	}
	return r, r.measureSweep(ctx, open)
}

// fill creates the sessions from first up to but not including last, in several goroutines.
func fill(ctx context.Context, s store, first, last int, expires time.Time) error {
	var next atomic.Int64
	next.Store(int64(first))
	errs := make(chan error, 16)
	for range cap(errs) {
		go func() {
			for i := next.Add(1) - 1; i < int64(last); i = next.Add(1) - 1 {
				if err := s.create(ctx, key(int(i)), expires); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range cap(errs) {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return err
}

// median returns the median time of a call for random ones of n sessions.
func median(call func(key string) error, n int) (time.Duration, error) {
	var times []time.Duration
	for range samples {
		k := key(rand.IntN(n))
		start := time.Now()
		if err := call(k); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// measureSweep measures a sweep of as many expired sessions, and the calls of a goroutine that uses
// live sessions meanwhile.
func (r *row) measureSweep(ctx context.Context, open opener) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	n := r.sessions
	if err := fill(ctx, s, 0, n, time.Now().Add(-time.Minute)); err != nil {
		return err
	}
	if err := fill(ctx, s, n, n+requests, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	runtime.GC()
	var over atomic.Bool
	var all sync.WaitGroup
	var failed error
	var times []time.Duration
	all.Go(func() {
		for i := 0; !over.Load() && failed == nil; i++ {
			start := time.Now()
			failed = s.flush(ctx, key(n+i%requests))
			times = append(times, time.Since(start))
		}
	})
	start := time.Now()
	err = s.sweep(ctx)
	r.sweep = time.Since(start)
	over.Store(true)
	all.Wait()
	if err == nil {
		err = failed
	}
	slices.Sort(times)
	if len(times) > 0 {
		r.p99, r.stall = times[len(times)*99/100], times[len(times)-1]
	}
	return err
}

// heap returns the bytes of live objects after a garbage collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	return objects()
}

func objects() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// peak returns by how many MiB the heap grew at most while do ran.
func peak(do func()) float64 {
	before := heap()
	highest := before
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(time.Millisecond):
				highest = max(highest, objects())
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return float64(max(highest, objects())-before) / (1 << 20)
}
