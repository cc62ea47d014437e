package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// mutants has one entry for each check.
var mutants = slices.Concat(openMutants, writeMutants, readMutants, expiryMutants, versionMutants, byteMutants, callMutants,
	markMutants)

// pause lets the other goroutines go on. In a bubble it ends when all of them
// wait: what a fault leaves open for a moment is then met for certain.
func pause() { time.Sleep(time.Millisecond) }

var openMutants = []mutant{
	{kills: "Open/BadDSN", fault: "ignores parameters that it does not know",
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			dsn, _, _ = strings.Cut(dsn, "?")
			return d.store(dsn)
		}},
	{kills: "Open/ErrorHidesDSN", fault: "says what it could not open",
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err != nil {
				return nil, fmt.Errorf("open %q: %w", dsn, err)
			}
			return s, nil
		}},
	{kills: "Open/NoIO", fault: "connects in Open",
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			if dsn == deadDSN {
				time.Sleep(5 * time.Second)
			}
			return d.store(dsn)
		}},
	{kills: "Open/FirstUseRetried", fault: "keeps the error of its first use in a sync.Once",
		breaks: func(s *store) {
			var used bool
			var first error
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				s.world.do(func() {
					if !used {
						used, first = true, ctx.Err()
					}
				})
				if first != nil {
					return first
				}
				return create(ctx, r)
			}
		}},
	{kills: "Open/FirstUseAtOnce", fault: "fails while another store makes the schema",
		also: []string{"Consistency/AnyStore", "Create/OneWins", "Parallel/Use"}, // first uses at once, too
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				var by string
				me := fmt.Sprintf("%p", s)
				s.world.do(func() {
					if s.world.n == 0 {
						s.world.n = 1
						s.world.renamed["schema is made by"] = me
						time.AfterFunc(time.Millisecond, func() {
							s.world.do(func() { delete(s.world.renamed, "schema is made by") })
						})
					}
					by = s.world.renamed["schema is made by"]
				})
				if by != "" && by != me {
					return errors.New("table exists already")
				}
				if by == me {
					pause()
				}
				return create(ctx, r)
			}
		}},
	{kills: "Open/Shares", fault: "reads from a cache that other stores do not clear",
		also: []string{"Renamed/InOneStep", "Renamed/PendingDestroyed", "Renamed/PendingNotListed", "Consistency/AnyStore",
			"DestroySubject/RacesChangeID"}, // may find in the cache what is gone
		breaks: func(s *store) {
			cache := map[string]*driver.Record{}
			before := *s
			forget := func(keys ...string) {
				s.world.do(func() {
					for _, key := range keys {
						delete(cache, key)
					}
				})
			}
			s.retrieve = func(ctx context.Context, key string) (r *driver.Record, err error) {
				s.world.do(func() { r = cache[key] })
				if r != nil && ctx.Err() == nil && time.Now().Before(r.Expires) {
					return copyOf(r), nil
				}
				r, err = before.retrieve(ctx, key)
				if err == nil {
					s.world.do(func() { cache[key] = copyOf(r) })
				}
				return r, err
			}
			s.flush = func(ctx context.Context, r *driver.Record) error {
				forget(r.Key)
				return before.flush(ctx, r)
			}
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				forget(oldKey, r.Key)
				return before.changeID(ctx, oldKey, r)
			}
			s.destroy = func(ctx context.Context, key string) error {
				forget(key)
				return before.destroy(ctx, key)
			}
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				forget(key)
				return before.touch(ctx, key, expires)
			}
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				s.world.do(func() { clear(cache) })
				return before.destroySubject(ctx, subject, except...)
			}
			s.close = func() error {
				s.world.do(func() { clear(cache) })
				return before.close()
			}
		}},
	{kills: "Open/Reopen", fault: "makes its tables anew when it is opened again",
		breaks: func(s *store) {
			ctx := context.Background()
			if s.world.busy["closed"] {
				keys, _ := collect(s.correct.Sessions(ctx))
				for _, key := range keys {
					s.correct.Destroy(ctx, key)
				}
			}
			shut := s.close
			s.close = func() error {
				s.world.do(func() { s.world.busy["closed"] = true })
				return shut()
			}
		}},
	{kills: "Implements/All", fault: "has lost Ping by a changed signature",
		also: []string{"Ping/Serves", "Ping/Dead"}, // there is nothing to call
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err != nil {
				return nil, err
			}
			return struct {
				driver.Store
				driver.Toucher
				driver.SubjectLister
				driver.SubjectDestroyer
				driver.RenameTracker
				driver.Lossy
			}{s, s, s, s, s, s}, nil
		}},
	{kills: "Lossy/Says", fault: "says nothing",
		breaks: func(s *store) { s.loses = func() string { return "" } }},
	{kills: "Implements/NoMore", fault: "has Touch, and its target does not say so",
		target: func(tgt *Target) { tgt.Implements &^= Toucher }},
}

var writeMutants = []mutant{
	{kills: "Create/NeverOverwrites", fault: "answers ErrExists, but has overwritten",
		also: []string{"Create/OneWins", "Bytes/OnlyVersion"}, // the losers write too, and set a version
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				err := create(ctx, r)
				if errors.Is(err, driver.ErrExists) {
					s.force(ctx, r)
				}
				return err
			}
		}},
	{kills: "Create/OverExpired", fault: "takes a key for taken until the sweeper has been",
		also: []string{"DeleteExpired/SparesReborn"}, // creates while the sweeper is busy
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if s.world.isExpired(r.Key) {
					return driver.ErrExists
				}
				return create(ctx, r)
			}
		}},
	{kills: "Create/SetsVersion", fault: "sets a version that it has not stored",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				err := create(ctx, r)
				if err == nil {
					r.Version += 1000
				}
				return err
			}
		}},
	{kills: "Create/OneWins", fault: "looks first and stores then",
		also: []string{"Renamed/CreatedAgain", "Renamed/NotCreated"}, // create over a mark
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if _, err := s.correct.Retrieve(ctx, r.Key); err == nil {
					return driver.ErrExists
				}
				pause()
				err := create(ctx, r)
				if errors.Is(err, driver.ErrExists) {
					err = s.force(ctx, r)
				}
				return err
			}
		}},
	{kills: "Create/Large", fault: "cuts data to what its column holds",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				cut := copyOf(r)
				cut.Data = cut.Data[:min(len(cut.Data), 1<<16-1)]
				err := create(ctx, cut)
				r.Version = cut.Version
				return err
			}
		}},

	{kills: "Flush/Replaces", fault: "leaves a subject that is to be empty",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				c := copyOf(r)
				if old, err := s.correct.Retrieve(ctx, r.Key); err == nil && c.Subject == "" {
					c.Subject = old.Subject
				}
				err := flush(ctx, c)
				r.Version = c.Version
				return err
			}
		}},
	{kills: "Flush/SetsVersion", fault: "leaves the old version in the record",
		also: []string{"Retrieve/FindsWhatMoves"}, // flushes what it has flushed
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error { return flush(ctx, copyOf(r)) }
		}},
	{kills: "Flush/InOneStep", fault: "writes the data after a new subject",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				old, err := s.correct.Retrieve(ctx, r.Key)
				if err != nil {
					return err
				}
				if old.Subject == r.Subject {
					return flush(ctx, r)
				}
				half := copyOf(r)
				half.Data = old.Data
				if err := flush(ctx, half); err != nil {
					return err
				}
				pause()
				r.Version = half.Version
				return flush(ctx, r)
			}
		}},
	{kills: "Flush/KeepsCreated", fault: "takes each write for the beginning",
		breaks: func(s *store) { s.movesCreated(true, false) }},
	{kills: "Flush/Conflict", fault: "lets a Flush that moves the expiry win over every version",
		also: []string{"Flush/Version0"}, // moves the expiry too
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrConflict) {
					if old, _ := s.correct.Retrieve(ctx, r.Key); old != nil && !old.Expires.Equal(r.Expires) {
						return s.force(ctx, r)
					}
				}
				return err
			}
		}},
	{kills: "Flush/Version0", fault: "takes 0 for a version that is not to be compared",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				if r.Version == 0 {
					return s.force(ctx, r)
				}
				return flush(ctx, r)
			}
		}},
	{kills: "Flush/NeverInserts", fault: "inserts what it can't update",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrNotFound) && !s.world.everHeld(r.Key) {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{kills: "Flush/Large", fault: "deletes what it can't replace by something so large",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				if len(r.Data) > 1<<16 {
					s.destroy(ctx, r.Key)
					return driver.ErrTooLarge
				}
				return flush(ctx, r)
			}
		}},
	{kills: "Flush/OneWins", fault: "compares versions first and writes then",
		also:   []string{"Parallel/Increments"}, // loses writes by the same gap
		breaks: func(s *store) { s.flush = s.checkThenWrite }},

	{kills: "ChangeID/Moves", fault: "still finds the record by its old key",
		also: []string{"Renamed/PendingDestroyed", "Consistency/AnyStore", "Renamed/NotCreated", "Renamed/NotRenamed",
			"Renamed/NeverAdmits", "Renamed/InOneStep", "Renamed/PendingNotListed", "ChangeID/Races"}, // looks at the old key too
		breaks: func(s *store) {
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := s.correct.Retrieve(ctx, key)
				var moved string
				s.world.do(func() { moved = s.world.renamed[key] })
				if errors.Is(err, driver.ErrNotFound) && moved != "" {
					return s.correct.Retrieve(ctx, moved)
				}
				return r, err
			}
		}},
	{kills: "ChangeID/Writes", fault: "leaves a subject that is to be empty",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				c := copyOf(r)
				if old, err := s.correct.Retrieve(ctx, oldKey); err == nil && c.Subject == "" {
					c.Subject = old.Subject
				}
				err := changeID(ctx, oldKey, c)
				r.Version = c.Version
				return err
			}
		}},
	{kills: "ChangeID/SetsVersion", fault: "leaves the old version in the record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				return changeID(ctx, oldKey, copyOf(r))
			}
		}},
	{kills: "ChangeID/KeepsCreated", fault: "takes a new ID for the beginning",
		breaks: func(s *store) { s.movesCreated(false, true) }},
	{kills: "ChangeID/Conflict", fault: "lets a ChangeID that moves the expiry win over every version",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrConflict) {
					if old, _ := s.correct.Retrieve(ctx, oldKey); old != nil && !old.Expires.Equal(r.Expires) {
						r.Version = old.Version
						return changeID(ctx, oldKey, r)
					}
				}
				return err
			}
		}},
	{kills: "ChangeID/NeverInserts", fault: "inserts what it can't rename",
		also: []string{"ChangeID/OldKeyFirst", "Renamed/NotAfterFailure"}, // rename what is not there too
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrNotFound) && !s.world.everHeld(oldKey) {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{kills: "ChangeID/NeverOverwrites", fault: "replaces what is under the new key",
		also: []string{"Renamed/NotAfterFailure"}, // renames to a taken key too
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrExists) {
					s.destroy(ctx, r.Key)
					err = changeID(ctx, oldKey, r)
				}
				return err
			}
		}},
	{kills: "ChangeID/OldKeyFirst", fault: "looks at the new key first",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if gone(err) {
					if _, taken := s.correct.Retrieve(ctx, r.Key); taken == nil {
						return driver.ErrExists
					}
				}
				return err
			}
		}},
	{kills: "ChangeID/Version0", fault: "takes 0 for a version that is not to be compared",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if old, err := s.correct.Retrieve(ctx, oldKey); err == nil && r.Version == 0 {
					r.Version = old.Version
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{kills: "ChangeID/Interrupted", fault: "removes the old record before it adds the new one",
		also: []string{"ChangeID/NeverOverwrites", "Renamed/NotRenamed", "ChangeID/Races", "ChangeID/OneWins", "DestroySubject/RacesChangeID",
			"Renamed/InOneStep", "Renamed/OneWins", "Renamed/PendingDestroyed", "Renamed/PendingNotListed"}, // look meanwhile
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				old, err := s.correct.Retrieve(ctx, oldKey)
				if err != nil || old.Version != r.Version || s.correct.Destroy(ctx, oldKey) != nil {
					return changeID(ctx, oldKey, r)
				}
				pause()
				if err := s.correct.Create(ctx, old); err != nil {
					return err
				}
				next := copyOf(r)
				next.Version = old.Version
				err = changeID(ctx, oldKey, next)
				if r.Version = next.Version; err != nil {
					r.Version = old.Version
				}
				return err
			}
		}},
	{kills: "ChangeID/OverExpired", fault: "takes a key for taken until the sweeper has been",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if s.world.isExpired(r.Key) {
					return driver.ErrExists
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{kills: "ChangeID/Large", fault: "has deleted the old record when it finds the new one too large",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if len(r.Data) > 1<<16 {
					s.destroy(ctx, oldKey)
					return driver.ErrTooLarge
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{kills: "ChangeID/OneWins", fault: "copies the record for whoever comes second",
		also: []string{"Renamed/OneWins", "Renamed/NeverAdmits"}, // come second too
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				var moved string
				s.world.do(func() { moved = s.world.renamed[oldKey] })
				if errors.Is(err, driver.ErrNotFound) && moved != "" {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{kills: "ChangeID/Races", fault: "writes the new record first and deletes the old one then, whatever became of it",
		also: append(everyMark("Renamed/NotFound", "Renamed/NotListed", "Renamed/NotCounted"),
			"DestroySubject/RacesChangeID"), // may end the old one only; and there are no marks
		breaks: func(s *store) {
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				old, err := s.correct.Retrieve(ctx, oldKey)
				if err != nil {
					return err
				}
				busy := false
				s.world.do(func() { busy = s.world.busy[oldKey]; s.world.busy[oldKey] = true })
				if busy || old.Version != r.Version {
					return driver.ErrConflict
				}
				r.Created = old.Created
				if err := s.create(ctx, r); err != nil {
					return err
				}
				pause()
				s.destroy(ctx, oldKey)
				return nil
			}
		}},

	{kills: "Destroy/Removes", fault: "leaves the record in a cache unless the store is empty then",
		also: []string{"ChangeID/Races"}, // destroys as well, in a store that is not empty
		breaks: func(s *store) {
			destroy, retrieve := s.destroy, s.retrieve
			s.destroy = func(ctx context.Context, key string) error {
				r, _ := s.correct.Retrieve(ctx, key)
				err := destroy(ctx, key)
				if keys, _ := collect(s.correct.Sessions(ctx)); err == nil && len(keys) > 0 {
					s.world.do(func() { s.world.keep[key] = *r })
				}
				return err
			}
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if errors.Is(err, driver.ErrNotFound) {
					s.world.do(func() {
						if kept, ok := s.world.keep[key]; ok {
							r, err = copyOf(&kept), nil
						}
					})
				}
				return r, err
			}
		}},
	{kills: "Destroy/NotFound", fault: "is content with a key that holds nothing",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				err := destroy(ctx, key)
				if errors.Is(err, driver.ErrNotFound) && !s.world.everHeld(key) {
					return nil
				}
				return err
			}
		}},
	{kills: "Destroy/IsFinal", fault: "renames what was destroyed",
		also: []string{"ChangeID/Races"}, // ChangeID may come after Destroy
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				ended := false
				s.world.do(func() { ended = s.world.destroyed[oldKey] && s.world.renamed[oldKey] == "" })
				if errors.Is(err, driver.ErrNotFound) && ended {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{kills: "Destroy/RacesWrites", fault: "inserts what was there when Flush began",
		also: []string{"ChangeID/Races"}, // Flush and Destroy meet there as well
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				_, began := s.correct.Retrieve(ctx, r.Key)
				pause()
				err := flush(ctx, r)
				ended := false
				s.world.do(func() { ended = s.world.destroyed[r.Key] && s.world.renamed[r.Key] == "" })
				if began == nil && errors.Is(err, driver.ErrNotFound) && ended {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
}

// checkThenWrite is a Flush with a gap.
func (s *store) checkThenWrite(ctx context.Context, r *driver.Record) error {
	old, err := s.correct.Retrieve(ctx, r.Key)
	if err != nil {
		return err
	}
	if old.Version != r.Version {
		return driver.ErrConflict
	}
	pause()
	return s.force(ctx, r)
}

// movesCreated has Flush or ChangeID set Created to the time of the call.
func (s *store) movesCreated(byFlush, byChangeID bool) {
	before := *s
	keep := func(move bool, key string) {
		s.world.do(func() {
			if move {
				s.world.keep[key] = driver.Record{Created: now()}
			}
		})
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		err := before.create(ctx, r)
		if err == nil {
			s.world.do(func() { delete(s.world.keep, r.Key) })
		}
		return err
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		err := before.flush(ctx, r)
		keep(byFlush && err == nil, r.Key)
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		err := before.changeID(ctx, oldKey, r)
		keep(byChangeID && err == nil, r.Key)
		return err
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := before.retrieve(ctx, key)
		if err == nil {
			s.world.do(func() {
				if kept, ok := s.world.keep[key]; ok {
					r.Created = kept.Created
				}
			})
		}
		return r, err
	}
}
