package faulty

import (
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// Racy has mutants that only histories are tested with, besides the mutants of the other tables.
var Racy = []Mutant{
	{Fault: "reads the record from before the last Flush, for a moment",
		breaks: (*store).readStale},
	{Fault: "inserts a record that it can't flush",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrNotFound) {
					err = s.correct.Create(ctx, r)
				}
				return err
			}
		}},
	{Fault: "leaves both records when it changes an ID",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				old, _ := s.correct.Retrieve(ctx, oldKey)
				err := changeID(ctx, oldKey, r)
				if err == nil {
					err = s.correct.Create(ctx, old)
				}
				return err
			}
		}},
	{Fault: "returns from Destroy before the record is gone",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				_, err := s.correct.Retrieve(ctx, key)
				if err == nil {
					time.AfterFunc(2*time.Millisecond, func() { destroy(context.Background(), key) })
				}
				return err
			}
		}},
	{Fault: "ends records one step late",
		breaks: func(s *store) { s.lateBy(40 * time.Millisecond) },
		target: func(tgt *drivertest.Target) { tgt.Resolution = 20 * time.Millisecond }},
	{Fault: "ends records one step early",
		breaks: func(s *store) { s.lateBy(-20 * time.Millisecond) }},
	{Fault: "uses a version twice",
		breaks: func(s *store) {
			s.reuse(func(method string, _, _ *driver.Record) bool { return method == "Flush" })
		}},
	{Fault: "holds a lock against writers while it lists",
		breaks: (*store).lockOutWriters},
	{Fault: "loses the mark when a second ChangeID comes too late",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
					s.unmark(func(old string) bool { return old == oldKey })
				}
				return err
			}
			s.forgetsUnmarked()
		}},
	{Fault: "leaves a mark when ChangeID is refused",
		breaks: func(s *store) {
			changeID, rename := s.changeID, s.rename
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrConflict) {
					s.world.do(func() { s.world.keep[oldKey] = *copyOf(r) })
				}
				return err
			}
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				s.world.do(func() {
					if r, refused := s.world.keep[key]; refused && errors.Is(err, driver.ErrNotFound) {
						mark, err = driver.Rename{To: r.Key}, nil
					}
				})
				return mark, err
			}
		}},
}

// readStale makes Retrieve return the record from before a Flush, for some time after the Flush,
// as a replica that lags behind does.
func (s *store) readStale() {
	before := *s
	s.flush = func(ctx context.Context, r *driver.Record) error {
		old, _ := before.retrieve(ctx, r.Key)
		err := before.flush(ctx, r)
		if err == nil && old != nil {
			s.world.do(func() { s.world.keep[r.Key] = *old })
			time.AfterFunc(2*time.Millisecond, func() { s.world.do(func() { delete(s.world.keep, r.Key) }) })
		}
		return err
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := before.retrieve(ctx, key)
		s.world.do(func() {
			if old, stale := s.world.keep[key]; stale && err == nil {
				r = copyOf(&old)
			}
		})
		return r, err
	}
}

// lockOutWriters makes Create wait for the end of a listing.
func (s *store) lockOutWriters() {
	create := s.create
	s.create = func(ctx context.Context, r *driver.Record) error {
		select {
		case s.world.lock <- struct{}{}:
			defer func() { <-s.world.lock }()
			return create(ctx, r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.sessions = s.lockWhileListing(s.sessions)
}
