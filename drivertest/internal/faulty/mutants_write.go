package faulty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// Mutants has one mutant for each check, except the checks of ClientSide stores.
var Mutants = slices.Concat(openMutants, writeMutants, readMutants, expiryMutants, versionMutants, byteMutants, callMutants,
	markMutants, backendMutants, indexMutants)

// pause lets the other goroutines go on. In a bubble it returns when all of them wait, so that
// a check certainly meets a fault that shows only for a moment.
func pause() { time.Sleep(time.Millisecond) }

var openMutants = []Mutant{
	{Kills: "Open/BadDSN", Fault: "ignores unknown parameters",
		open: func(d *opener, dsn string) (driver.Store, error) {
			dsn, _, _ = strings.Cut(dsn, "?")
			return d.store(dsn)
		}},
	{Kills: "Open/ErrorHidesDSN", Fault: "shows the DSN that it could not open",
		open: func(d *opener, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err != nil {
				return nil, fmt.Errorf("open %q: %w", dsn, err)
			}
			return s, nil
		}},
	{Kills: "Open/UsesAccepted", Fault: "validates a DSN when it connects",
		open: func(d *opener, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err == nil && strings.HasSuffix(dsn, "\n") {
				s.create = func(context.Context, *driver.Record) error { return errors.New("invalid character in host name") }
			}
			return s, err
		}},
	{Kills: "Open/NoIO", Fault: "connects in Open",
		open: func(d *opener, dsn string) (driver.Store, error) {
			if dsn == deadDSN {
				time.Sleep(5 * time.Second)
			}
			return d.store(dsn)
		}},
	{Kills: "Open/FirstUseRetried", Fault: "keeps the error of its first use in a sync.Once",
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
	{Kills: "Open/BackendComesUp", Fault: "keeps the error of its first connection",
		breaks: func(s *store) {
			var broken error
			s.mapErrors("Create", func(err error) error {
				s.world.do(func() {
					if errors.Is(err, errDown) {
						broken = err
					}
					err = cmp.Or(broken, err)
				})
				return err
			})
		}},
	{Kills: "Open/WithoutCreating", Fault: "remembers that its table is missing",
		breaks: func(s *store) {
			var missing atomic.Bool
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if !driver.MayCreate(ctx) {
					missing.Store(true)
				}
				if missing.Load() {
					return errors.New("there is no such table")
				}
				return create(ctx, r)
			}
		}},
	{Kills: "Open/FirstUseAtOnce", Fault: "fails while another store creates the schema",
		Also: []string{"Open/Reopen", "Consistency/AnyStore", "Create/OneWins", "Parallel/Use"}, // also have concurrent first uses
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
	{Kills: "Open/Shares", Fault: "reads from a cache that other stores do not clear",
		Also: []string{"Renamed/InOneStep", "Renamed/PendingDestroyed", "Renamed/PendingNotListed", "Consistency/AnyStore",
			"DestroySubject/RacesChangeID",
			"Corrupt/Retrieve", "Corrupt/Create"}, // may find an ended record in the cache
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
	{Kills: "Open/Reopen", Fault: "drops and creates its tables when it is opened again",
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
	{Kills: "Implements/All", Fault: "has lost Ping by a changed signature",
		Also: []string{"Ping/Serves", "Ping/Dead", "Ping/LeavesNothing", "Ping/ReadOnly", "Corrupt/Others"}, // there is no Ping to call
		open: func(d *opener, dsn string) (driver.Store, error) {
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
	{Kills: "Lossy/Says", Fault: "returns an empty sentence from Loses",
		breaks: func(s *store) { s.loses = func() string { return "" } }},
	{Kills: "Implements/NoMore", Fault: "has Touch, which Target.Implements does not name",
		target: func(tgt *drivertest.Target) { tgt.Implements &^= drivertest.Toucher }},
}

var writeMutants = []Mutant{
	{Kills: "Create/NeverOverwrites", Fault: "returns ErrExists, but overwrites the record",
		Also: []string{"Create/OneWins", "Bytes/OnlyVersion"}, // here too, a Create that fails writes, and sets a version
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
	{Kills: "Create/OverExpired", Fault: "takes a key as taken until DeleteExpired has removed the expired record",
		Also: []string{"DeleteExpired/SparesReborn"}, // creates during DeleteExpired
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if s.world.isExpired(r.Key) {
					return driver.ErrExists
				}
				return create(ctx, r)
			}
		}},
	{Kills: "Create/SetsVersion", Fault: "sets a version that it has not stored",
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
	{Kills: "Create/OneWins", Fault: "checks the key and stores the record in two steps",
		Also: []string{"Renamed/CreatedAgain", "Renamed/NotCreated", "Corrupt/Create"}, // also create over a mark, or over garbage
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
	{Kills: "Create/Large", Fault: "cuts data to what its column holds",
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

	{Kills: "Flush/Replaces", Fault: "does not clear the subject",
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
	{Kills: "Flush/SetsVersion", Fault: "leaves the old version in the record",
		Also: []string{"Retrieve/FindsWhatMoves"}, // flushes a record again
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error { return flush(ctx, copyOf(r)) }
		}},
	{Kills: "Flush/InOneStep", Fault: "writes the data after a new subject",
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
	{Kills: "Flush/KeepsCreated", Fault: "sets Created in Flush",
		breaks: func(s *store) { s.movesCreated(true, false) }},
	{Kills: "Flush/Conflict", Fault: "compares no version in a Flush that moves the expiry",
		Also: []string{"Flush/Version0"}, // also moves the expiry
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
	{Kills: "Flush/EqualData", Fault: "compares no version in a Flush of what is stored already",
		Also: []string{"Parallel/Increments", "Version/AfterExpiry", "Consistency/AnyStore", "Answers/Abandoned"}, // also write what is stored already
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if old, _ := s.correct.Retrieve(ctx, r.Key); errors.Is(err, driver.ErrConflict) && old != nil && sameContent(old, r) {
					r.Version = old.Version
					return nil
				}
				return err
			}
		}},
	{Kills: "Flush/Version0", Fault: "does not compare version 0",
		Also: []string{"Answers/Abandoned"}, // also meet the fault
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				if r.Version == 0 {
					return s.force(ctx, r)
				}
				return flush(ctx, r)
			}
		}},
	{Kills: "Flush/NeverInserts", Fault: "inserts a record that it can't update",
		Also: []string{"Flush/Version0", "Neighbours/Records"}, // also meet the fault
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
	{Kills: "Flush/Large", Fault: "deletes the old record if the new one is too large",
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
	{Kills: "Flush/OneWins", Fault: "compares versions and writes in two steps",
		Also:   []string{"Parallel/Increments"}, // loses writes by the same gap
		breaks: func(s *store) { s.flush = s.checkThenWrite }},

	{Kills: "ChangeID/Moves", Fault: "still finds the record by its old key",
		Also: []string{"Renamed/PendingDestroyed", "Consistency/AnyStore", "Renamed/NotCreated", "Renamed/NotRenamed",
			"Renamed/NeverAdmits", "Renamed/InOneStep", "Renamed/PendingNotListed", "ChangeID/Races"}, // also look at the old key
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
	{Kills: "ChangeID/Writes", Fault: "does not clear the subject",
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
	{Kills: "ChangeID/SetsVersion", Fault: "leaves the old version in the record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				return changeID(ctx, oldKey, copyOf(r))
			}
		}},
	{Kills: "ChangeID/KeepsCreated", Fault: "sets Created in ChangeID",
		Also:   []string{"ChangeID/OverExpired"}, // also looks at Created
		breaks: func(s *store) { s.movesCreated(false, true) }},
	{Kills: "ChangeID/Conflict", Fault: "compares no version in a ChangeID that moves the expiry",
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
	{Kills: "ChangeID/NeverInserts", Fault: "inserts a record that it can't rename",
		Also: []string{"ChangeID/OldKeyFirst", "Renamed/NotAfterFailure", "ChangeID/Version0", "Neighbours/Records"}, // also rename an absent record
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
	{Kills: "ChangeID/NeverOverwrites", Fault: "replaces what is under the new key",
		Also: []string{"Context/Contended", "Renamed/NotAfterFailure", "Corrupt/ChangeIDOnto"}, // also rename to a taken key
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
	{Kills: "ChangeID/OldKeyFirst", Fault: "checks the new key first",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
					if _, taken := s.correct.Retrieve(ctx, r.Key); taken == nil {
						return driver.ErrExists
					}
				}
				return err
			}
		}},
	{Kills: "ChangeID/Version0", Fault: "does not compare version 0",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if old, err := s.correct.Retrieve(ctx, oldKey); err == nil && r.Version == 0 {
					r.Version = old.Version
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{Kills: "ChangeID/Interrupted", Fault: "removes the old record before it adds the new one",
		Also: []string{"ChangeID/NeverOverwrites", "Renamed/NotRenamed", "ChangeID/Races", "ChangeID/OneWins", "DestroySubject/RacesChangeID",
			"Renamed/InOneStep", "Renamed/OneWins", "Renamed/PendingDestroyed", "Renamed/PendingNotListed",
			"Context/Contended", "Corrupt/ChangeIDOnto"}, // make calls during ChangeID, or compare the version after it has failed
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
	{Kills: "ChangeID/OverExpired", Fault: "takes a key as taken until DeleteExpired has removed the expired record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if s.world.isExpired(r.Key) {
					return driver.ErrExists
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{Kills: "ChangeID/Large", Fault: "deletes the old record if the new one is too large",
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
	{Kills: "ChangeID/OneWins", Fault: "copies the record for a second ChangeID",
		Also: []string{"Renamed/OneWins", "Renamed/NeverAdmits"}, // also make a second ChangeID
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
	{Kills: "ChangeID/Races", Fault: "writes the new record, and then deletes the old one, even if it has changed",
		Also: append(everyMark("Renamed/NotFound", "Renamed/NotListed", "Renamed/NotCounted"),
			"DestroySubject/RacesChangeID", "Context/Contended"), // the fault may end the old record only, and leaves no marks
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

	{Kills: "Destroy/Removes", Fault: "leaves a destroyed record in a cache, unless the store is empty then",
		Also: []string{"ChangeID/Races", "Leftovers/Ended"}, // destroy as well, in a store that is not empty
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
	{Kills: "Destroy/NotFound", Fault: "returns nil from Destroy for an unknown key",
		Also: []string{"Answers/Abandoned", "Neighbours/Records"}, // also meet the fault
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
	{Kills: "Destroy/IsFinal", Fault: "renames a destroyed record",
		Also: []string{"ChangeID/Races"}, // ChangeID may come after Destroy
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
	{Kills: "Destroy/RacesWrites", Fault: "inserts the record that was there when Flush began",
		Also: []string{"ChangeID/Races"}, // Flush and Destroy meet there as well
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

// checkThenWrite is a Flush that compares the versions in one step and writes in another.
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

// movesCreated makes Flush or ChangeID set Created to the time of the call.
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
