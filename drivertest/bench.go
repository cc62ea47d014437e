package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

// benchData is the size of the data in the records of Bench: a user, a cart, a flash message.
const benchData = 450

// Bench measures the methods of the stores of tgt, each in a sub-benchmark with a store of
// its own:
//
//	go test -bench 'Store/Retrieve'
//
// Sub-benchmarks whose names end in Parallel use as many goroutines as there are processors,
// each with a record of its own.
func Bench(b *testing.B, tgt Target) {
	for _, m := range benchmarks {
		b.Run(m.name, func(b *testing.B) {
			if m.needs&^tgt.Implements != 0 {
				b.Skipf("Target.Implements has no %v", m.needs)
			}
			s, err := tgt.open(tgt.DSN(b))
			if err != nil {
				b.Fatalf("Open(dsn) = %s; want nil", text(err))
			}
			b.Cleanup(func() { s.Close() })
			b.ReportAllocs()
			m.fn(&benchmark{B: b, s: s, ctx: context.Background()})
		})
	}
}

var benchmarks = []struct {
	name  string
	needs Interfaces
	fn    func(*benchmark)
}{
	{"Create", 0, benchCreate},
	{"Retrieve", 0, benchRetrieve},
	{"RetrieveParallel", 0, benchRetrieveParallel},
	{"Flush", 0, benchFlush},
	{"FlushParallel", 0, benchFlushParallel},
	{"Touch", Toucher, benchTouch},
	{"ChangeID", 0, benchChangeID},
	{"Renamed", RenameTracker, benchRenamed},
	{"Destroy", 0, benchDestroy},
	{"Sessions", 0, benchSessions},
	{"DeleteExpired", 0, benchDeleteExpired},
}

// benchmark is one run of a sub-benchmark on an empty store.
type benchmark struct {
	*testing.B
	s    driver.Store
	ctx  context.Context
	keys atomic.Int64 // how many keys were used
}

// ok ends the benchmark if a call has failed, because it would measure something else.
func (b *benchmark) ok(err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

func (b *benchmark) key() string {
	return fmt.Sprintf("bench-%037d", b.keys.Add(1)) // as long as a hash
}

func (b *benchmark) record() *driver.Record {
	r := newRecord(b.key())
	r.Data = bytes.Repeat([]byte("x"), benchData)
	return r
}

// created stores a record and finds out its version.
func (b *benchmark) created() *driver.Record {
	b.Helper()
	r := b.record()
	b.ok(b.s.Create(b.ctx, r))
	b.know(r)
	return r
}

// know retrieves the version of r if the store has not reported it, which is then a part of
// the cost of a write.
func (b *benchmark) know(r *driver.Record) {
	if r.Version == 0 {
		stored, err := b.s.Retrieve(b.ctx, r.Key)
		b.ok(err)
		r.Version = stored.Version
	}
}

func benchCreate(b *benchmark) {
	r := b.record()
	for b.Loop() {
		r.Key = b.key()
		b.ok(b.s.Create(b.ctx, r))
	}
}

func benchRetrieve(b *benchmark) {
	r := b.created()
	for b.Loop() {
		_, err := b.s.Retrieve(b.ctx, r.Key)
		b.ok(err)
	}
}

func benchRetrieveParallel(b *benchmark) {
	b.each(func(r *driver.Record) error {
		_, err := b.s.Retrieve(b.ctx, r.Key)
		return err
	})
}

func benchFlush(b *benchmark) {
	r := b.created()
	for b.Loop() {
		b.ok(b.s.Flush(b.ctx, r))
		b.know(r)
	}
}

func benchFlushParallel(b *benchmark) {
	b.each(func(r *driver.Record) error {
		if r.Version == 0 {
			stored, err := b.s.Retrieve(b.ctx, r.Key)
			if err != nil {
				return err
			}
			r.Version = stored.Version
		}
		return b.s.Flush(b.ctx, r)
	})
}

// each calls f from parallel goroutines, each with a stored record of its own.
func (b *benchmark) each(f func(*driver.Record) error) {
	b.RunParallel(func(pb *testing.PB) {
		r := b.record()
		if err := b.s.Create(b.ctx, r); err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			if err := f(r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func benchTouch(b *benchmark) {
	r := b.created()
	s := b.s.(driver.Toucher)
	for b.Loop() {
		r.Expires = r.Expires.Add(time.Millisecond)
		b.ok(s.Touch(b.ctx, r.Key, r.Expires))
	}
}

func benchChangeID(b *benchmark) {
	r := b.created()
	for b.Loop() {
		old := r.Key
		r.Key = b.key()
		b.ok(b.s.ChangeID(b.ctx, old, r))
		b.know(r)
	}
}

func benchRenamed(b *benchmark) {
	r := b.created()
	old := r.Key
	r.Key = b.key()
	b.ok(b.s.ChangeID(b.ctx, old, r))
	s := b.s.(driver.RenameTracker)
	for b.Loop() {
		_, err := s.Renamed(b.ctx, old)
		b.ok(err)
	}
}

// benchDestroy also measures the Create of each record that it destroys: compare benchCreate.
func benchDestroy(b *benchmark) {
	r := b.record()
	for b.Loop() {
		r.Key = b.key()
		b.ok(b.s.Create(b.ctx, r))
		b.ok(b.s.Destroy(b.ctx, r.Key))
	}
}

// benchSessions lists a thousand records.
func benchSessions(b *benchmark) {
	const stored = 1000
	for range stored {
		b.ok(b.s.Create(b.ctx, b.record()))
	}
	for b.Loop() {
		keys, err := collect(b.s.Sessions(b.ctx))
		b.ok(err)
		if len(keys) != stored {
			b.Fatalf("Sessions() yields %d keys; want %d", len(keys), stored)
		}
	}
}

// benchDeleteExpired sweeps a store with a thousand live records, of which none has expired.
func benchDeleteExpired(b *benchmark) {
	for range 1000 {
		b.ok(b.s.Create(b.ctx, b.record()))
	}
	for b.Loop() {
		_, err := b.s.DeleteExpired(b.ctx)
		b.ok(err)
	}
}
