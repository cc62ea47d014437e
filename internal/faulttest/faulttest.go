// Package faulttest shows what a driver makes of a network and a server that
// fail: every call ends within its context's deadline and a grace, with an error
// that is an outage and no answer; nothing leaks; and all is well when the server
// is.
package faulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Target is a driver and a server for it.
type Target struct {
	Driver driver.Driver
	Server string                   // the server's address
	DSN    func(addr string) string // for a server at this address, always of the same store
}

const (
	deadline = 300 * time.Millisecond
	grace    = 100 * time.Millisecond // by which a call may overstay its deadline
	recovery = 20 * time.Second       // within which all is well again; MongoDB's driver looks every 10 s
)

// Run runs all checks.
func Run(t *testing.T, tgt Target) {
	proxy := testserver.StartProxy(t, tgt.Server)
	for _, fault := range []struct {
		name string
		harm func()
	}{
		{"Refused", proxy.Down},
		{"Silent", proxy.Swallow},
		{"Slow", func() { proxy.Delay(5000) }},
		{"Reset", proxy.Reset},
		{"Cut", func() { proxy.CutAfter(3) }},
		{"Trickle", func() { proxy.Trickle(5) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			run := start(t, tgt, proxy)
			fault.harm()
			run.allFail()
			proxy.Heal()
			run.recovers()
			run.ends()
		})
	}
	t.Run("Delay", func(t *testing.T) {
		run := start(t, tgt, proxy)
		proxy.Delay(5)
		run.recovers()
		proxy.Heal()
		run.ends()
	})
	t.Run("Flapping", func(t *testing.T) {
		run := start(t, tgt, proxy)
		run.flaps()
		run.recovers()
		run.ends()
	})
	t.Run("CutAnywhere", func(t *testing.T) {
		run := start(t, tgt, proxy)
		run.cutAnywhere()
		run.recovers()
		run.ends()
	})
}

// run is a store behind the proxy.
type run struct {
	t     *testing.T
	proxy *testserver.Proxy
	store driver.Store
	leaks func()
	keys  atomic.Int64
}

func start(t *testing.T, tgt Target, proxy *testserver.Proxy) *run {
	t.Helper()
	proxy.Heal()
	leaks := watchLeaks(t)
	store, err := tgt.Driver.Open(tgt.DSN(proxy.Addr))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, proxy: proxy, store: store, leaks: leaks}
	t.Cleanup(func() {
		proxy.Heal()
		_ = store.Close()
	})
	r.recovers()
	return r
}

// ends closes the store, and finds what it has left behind.
func (r *run) ends() {
	r.t.Helper()
	if err := r.store.Close(); err != nil {
		r.t.Errorf("Close() = %v; want nil", err)
	}
	r.leaks()
}

// record is a new one, of a subject of its own.
func (r *run) record() *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	key := fmt.Sprintf("k%d-%d", now.UnixNano(), r.keys.Add(1))
	return &driver.Record{Key: key, Data: []byte(`{"n":1}`), Created: now, Expires: now.Add(time.Hour), Subject: key}
}

// timed makes a call under the deadline, and reports one that overstays it. Once
// may be the machine's fault, so what fails is tried again.
func (r *run) timed(name string, call func(context.Context) error) error {
	var took time.Duration
	for range 3 {
		ctx, cancel := context.WithTimeout(r.t.Context(), deadline)
		begin := time.Now()
		err := call(ctx)
		took = time.Since(begin)
		cancel()
		if took <= deadline+grace {
			return err
		}
	}
	r.t.Errorf("%s took %v, three times; want %v + %v at most", name, took, deadline, grace)
	return errOverstayed
}

var errOverstayed = errors.New("overstayed")

// allFail makes every call at once.
func (r *run) allFail() {
	r.t.Helper()
	var wg sync.WaitGroup
	for _, m := range methods(r.store) {
		wg.Go(func() {
			err := r.timed(m.name, func(ctx context.Context) error {
				rec := r.record()
				rec.Version = 1
				return m.call(ctx, rec)
			})
			if err == nil && m.name != "DeleteExpired" { // which some backends need not be asked for
				r.t.Errorf("%s = nil; want an outage", m.name)
			}
			r.isOutage(m.name, err)
		})
	}
	wg.Wait()
}

// isOutage reports an error that says something about a session, or that the
// backend lacks what it has.
func (r *run) isOutage(name string, err error) {
	r.t.Helper()
	for _, answer := range []error{
		driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrCorrupt,
		driver.ErrClosed, errors.ErrUnsupported,
	} {
		if errors.Is(err, answer) {
			r.t.Errorf("%s = %v; want an outage", name, err)
		}
	}
}

// recovers waits until all calls succeed.
func (r *run) recovers() {
	r.t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < recovery; time.Sleep(20 * time.Millisecond) {
		if err = r.works(); err == nil {
			return
		}
	}
	r.t.Fatalf("%v after the server is back: %v; want nil", recovery, err)
}

// works makes every call.
func (r *run) works() error {
	ctx, cancel := context.WithTimeout(r.t.Context(), recovery)
	defer cancel()
	for _, m := range methods(r.store) {
		if err := r.use(ctx, m); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("%s = %w", m.name, err)
		}
	}
	return nil
}

// use makes a call on a record of its own.
func (r *run) use(ctx context.Context, m method) error {
	rec := r.record()
	if m.name == "Create" {
		return m.call(ctx, rec)
	}
	if err := r.store.Create(ctx, rec); err != nil {
		return err
	}
	stored, err := r.store.Retrieve(ctx, rec.Key)
	if err != nil {
		return err
	}
	return m.call(ctx, stored)
}

// flaps makes calls while the server comes and goes. They succeed or are outages.
func (r *run) flaps() {
	const goroutines, times = 4, 20
	var done atomic.Bool
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for !done.Load() {
				for _, m := range methods(r.store) {
					err := r.timed(m.name, func(ctx context.Context) error { return r.use(ctx, m) })
					r.isOutage(m.name, err)
				}
			}
		})
	}
	for range times {
		r.proxy.Down()
		time.Sleep(deadline / 7)
		r.proxy.Heal()
		time.Sleep(deadline / 7)
	}
	done.Store(true)
	wg.Wait()
}

// cutAnywhere cuts a connection that works after each of many numbers of bytes:
// what is read is right, or an outage.
func (r *run) cutAnywhere() {
	r.t.Helper()
	const size = 400 // about that of the longest answer
	rec := r.record()
	if err := r.store.Create(r.t.Context(), rec); err != nil {
		r.t.Fatal(err)
	}
	for k := 0; k < size; k += 1 + k/10 {
		var got *driver.Record
		retrieve := func(ctx context.Context) (err error) {
			got, err = r.store.Retrieve(ctx, rec.Key)
			return err
		}
		for begin := time.Now(); retrieve(r.t.Context()) != nil; {
			if time.Since(begin) > recovery {
				r.t.Fatalf("%v after the server is back Retrieve still fails", recovery)
			}
		}
		r.proxy.CutAfter(k)
		err := r.timed("Retrieve", retrieve)
		r.isOutage("Retrieve", err)
		if err == nil && string(got.Data) != string(rec.Data) {
			r.t.Fatalf("Retrieve, cut after %d bytes, = %q; want %q", k, got.Data, rec.Data)
		}
		r.proxy.Heal()
	}
}
