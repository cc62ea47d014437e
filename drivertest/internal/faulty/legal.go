package faulty

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// Legal has correct stores that differ from a memory store, by name. They have to pass, because
// the contract allows what they do.
var Legal = map[string]Mutant{
	"does not report versions after a write": {breaks: func(s *store) { s.hideVersions() }},
	"has a clock of seconds": {
		breaks: func(s *store) { s.roundUp() },
		target: func(tgt *drivertest.Target) { tgt.Resolution = time.Second },
	},
	"holds 64 KiB": {breaks: func(s *store) { s.limit(1 << 16) }},
	"can't list": {breaks: func(s *store) {
		s.sessions = func(context.Context) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
		}
	}, target: func(tgt *drivertest.Target) {
		tgt.Skip = map[string]string{}
		for _, check := range listing {
			tgt.Skip[check] = "can't list"
		}
	}},
	"draws versions at random": {breaks: func(s *store) {
		s.number(func(uint64) uint64 { return rand.Uint64()>>1 | 1 })
	}},
	"remembers each DestroySubject": {breaks: func(s *store) {
		destroySubject := s.destroySubject
		s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
			err := destroySubject(ctx, subject, except...)
			s.leaves(err == nil)
			return err
		}
	}},
	"expires by itself": {breaks: func(s *store) {
		s.deleteExpired = func(ctx context.Context) (int, error) {
			_, err := s.correct.DeleteExpired(ctx)
			return 0, err
		}
	}},
	"has places that an administrator creates": legalPlaces(),
	"forgets marks whose record has ended":     {breaks: func(s *store) { s.inTwoSteps(twoSteps{forgets: true}) }},
	"changes an ID in several steps":           {breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause}) }},
	"implements no optional interface": {
		open: func(d *opener, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err != nil {
				return nil, err
			}
			s.inTwoSteps(twoSteps{unmarked: true})
			return struct{ driver.Store }{s}, nil
		},
		target: func(tgt *drivertest.Target) { tgt.Implements = 0 },
	},
}

// listing are the checks that a store which can't list has to skip.
var listing = []string{"Sessions/LiveOnly", "Sessions/ExactlyOnce", "Sessions/WhileOthersChange", "Sessions/WhileRead",
	"Sessions/CallsInLoop", "Sessions/ManyOpen", "Sessions/Extended", "Sessions/EarlyBreak", "Sessions/ContextInLoop", "Sessions/OneError",
	"Expiry/Sessions", "Keys/Listed"}

// legalPlaces returns a store that uses existing places only and creates none.
func legalPlaces() Mutant {
	var existing sync.Map
	place := func(dsn string) string {
		name, _, _ := strings.Cut(dsn, "?")
		return name
	}
	return Mutant{
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if _, there := existing.Load(place(*s.dsn)); !there {
					return errors.New("no such place")
				}
				return create(ctx, r)
			}
		},
		target: func(tgt *drivertest.Target) {
			dsn := tgt.DSN
			tgt.DSN = func(t testing.TB) string {
				name := dsn(t)
				existing.Store(place(name), true)
				return name
			}
			tgt.DownDSN, tgt.ReadOnlyDSN, tgt.Neighbours = nil, nil, nil
		},
	}
}

// hideVersions makes a write set version 0, as with memcached's text protocol.
func (s *store) hideVersions() {
	before := *s
	s.create = func(ctx context.Context, r *driver.Record) error {
		err := before.create(ctx, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		err := before.flush(ctx, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		err := before.changeID(ctx, oldKey, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
}

// roundUp makes the backend end a record up to a second late.
func (s *store) roundUp() { s.lateBy(time.Second - time.Millisecond) }

// lateBy makes the backend end a record later than its expiry, by d.
func (s *store) lateBy(d time.Duration) {
	before := *s
	late := func(r *driver.Record) *driver.Record {
		c := copyOf(r)
		c.Expires = r.Expires.Add(d)
		return c
	}
	write := func(r *driver.Record, f func(*driver.Record) error) error {
		c := late(r)
		err := f(c)
		r.Version = c.Version
		return err
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.create(ctx, c) })
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.flush(ctx, c) })
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.changeID(ctx, oldKey, c) })
	}
	s.touch = func(ctx context.Context, key string, expires time.Time) error {
		return before.touch(ctx, key, expires.Add(d))
	}
	s.alter(func(r *driver.Record) { r.Expires = r.Expires.Add(-d) })
}

// limit makes the store refuse records with more than n bytes of data.
func (s *store) limit(n int) {
	before := *s
	fits := func(r *driver.Record, f func() error) error {
		if len(r.Data) > n {
			return driver.ErrTooLarge
		}
		return f()
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return fits(r, func() error { return before.create(ctx, r) })
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return fits(r, func() error { return before.flush(ctx, r) })
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return fits(r, func() error { return before.changeID(ctx, oldKey, r) })
	}
}
