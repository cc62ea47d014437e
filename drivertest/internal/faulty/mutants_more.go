package faulty

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// More has mutants with faults that released session stores have had. Some faults are broad, and
// fail many checks.
var More = slices.Concat(knownMutants, moreMarkMutants, moreVersionMutants, moreIndexMutants, moreBackendMutants, rebornMutants, mutantsOfEachMethod())

var knownMutants = []Mutant{
	{Kills: "Open/Shares", Fault: "has a database in memory for each connection",
		Also: []string{"Leftovers/Ended", "Flush/EqualData", "Renamed/AnyStore", "Renamed/InOneStep", "Renamed/OneWins", "Renamed/PendingDestroyed",
			"Renamed/PendingNotListed", "Consistency/AnyStore", "Open/Reopen", "Open/FirstUseAtOnce", "Create/OneWins",
			"ChangeID/Races", "Destroy/RacesWrites",
			"DeleteExpired/SparesReborn", "Touch/LosesNoWrite", "Parallel/Increments", "DestroySubject/RacesChangeID",
			"DestroySubject/RacesFlush", "Retrieve/FindsWhatMoves",
			"Close/LeavesOthers", "Close/DuringUse",
			"Open/BadDSN", "Open/BackendComesUp", "Open/WithoutCreating", "Ping/ReadOnly", "Answers/Abandoned", "Context/Contended",
			"Corrupt/Retrieve", "Corrupt/Flush", "Corrupt/ChangeID", "Corrupt/Touch", "Corrupt/Create",
			"Corrupt/ChangeIDOnto", "Corrupt/Destroy", "Corrupt/Listed", "Corrupt/Others"}, // every check with two handles
		open: func(d *opener, dsn string) (driver.Store, error) {
			if dsn == deadDSN {
				return d.store(dsn)
			}
			if strings.Contains(dsn, "?") {
				return nil, errors.New("unknown parameter")
			}
			return memory.New(memory.Options{}), nil
		}},
	{Kills: "Bytes/OnlyVersion", Fault: "sets a version in Create before it looks at the context",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				return versionOnCancel(ctx, r, create(ctx, r))
			}
		}},
	{Kills: "Bytes/OnlyVersion", Fault: "sets a version in ChangeID before it looks at the context",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				return versionOnCancel(ctx, r, changeID(ctx, oldKey, r))
			}
		}},
	{Kills: "Bytes/Returned", Fault: "returns its own memory of a large record",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				if len(r.Data) < 4<<10 {
					return
				}
				s.world.do(func() {
					if kept, ok := s.world.keep[r.Key]; ok && kept.Version == r.Version {
						r.Data = kept.Data
						return
					}
					s.world.keep[r.Key] = *r
				})
			})
		}},
	{Kills: "Open/Reopen", Fault: "can't be opened again once its last store is closed",
		Also: []string{"Open/UsesAccepted"}, // closes and opens again
		breaks: func(s *store) {
			dead := false
			s.world.do(func() { s.world.open++; dead = s.world.busy["all closed"] })
			shut := s.close
			if dead {
				s.create = func(context.Context, *driver.Record) error { return driver.ErrClosed }
				return
			}
			var once sync.Once
			s.close = func() error {
				once.Do(func() {
					s.world.do(func() { s.world.open--; s.world.busy["all closed"] = s.world.open == 0 })
				})
				return shut()
			}
		}},
	{Kills: "Flush/NeverInserts", Fault: "saves as upsert",
		Also: []string{"Flush/EqualData", "Renamed/NeverAdmits", "Renamed/PendingNotListed", "Expiry/Flush", "Destroy/IsFinal",
			"Destroy/RacesWrites", "ChangeID/Races",
			"Flush/Version0", "Neighbours/Records"}, // also write an absent record
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrNotFound) {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{Kills: "Flush/Conflict", Fault: "lets the last writer win",
		Also: []string{"Flush/EqualData", "Flush/Version0", "Consistency/AnyStore", "Flush/OneWins", "ChangeID/Races", "Parallel/Increments",
			"Open/Shares",
			"Version/AfterDestroy", "Version/AfterExpiry", "Version/ThereAndBack",
			"Answers/Abandoned"}, // all write with a stale version
		breaks: func(s *store) {
			s.flush = func(ctx context.Context, r *driver.Record) error { return s.force(ctx, r) }
		}},
	{Kills: "Flush/Replaces", Fault: "forgets Meta",
		Also: []string{"Flush/InOneStep", "Bytes/GivenToFlush", "Bytes/EveryValue", "Bytes/EmptyMeta", "Parallel/Use"}, // also flush Meta
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) { r.Meta = old.Meta })
		}},
	{Kills: "Flush/Replaces", Fault: "forgets Expires",
		Also: []string{"Sessions/Extended", "SubjectSessions/Extended", "Expiry/FlushExtends", "Expiry/FlushShortens", "DeleteExpired/SparesLive", "Expiry/Far"}, // also flush Expires
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) { r.Expires = old.Expires })
		}},
	{Kills: "Flush/Large", Fault: "cuts data to what its column holds",
		breaks: func(s *store) {
			s.flushes(func(r, _ *driver.Record) { r.Data = r.Data[:min(len(r.Data), 1<<16-1)] })
		}},
	{Kills: "Create/Large", Fault: "returns ErrTooLarge, but stores the part that fits",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if len(r.Data) < 1<<16 {
					return create(ctx, r)
				}
				cut := copyOf(r)
				cut.Data = cut.Data[:1]
				create(ctx, cut)
				return driver.ErrTooLarge
			}
		}},
	{Kills: "ChangeID/Writes", Fault: "renames the record, and writes nothing",
		Also: []string{"ChangeID/Large", "Bytes/GivenToChangeID", "Expiry/ChangeIDShortens", "SubjectSessions/FollowsWrites",
			"DestroySubject/RemovesAll", "Parallel/Use",
			"Expiry/Far"}, // also write by ChangeID
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				old, err := s.correct.Retrieve(ctx, oldKey)
				if err != nil {
					return err
				}
				old.Key, old.Version = r.Key, r.Version
				err = changeID(ctx, oldKey, old)
				r.Version = old.Version
				return err
			}
		}},
	{Kills: "Retrieve/ReturnsAll", Fault: "returns nil, nil for a record without a subject",
		Also: []string{"Leftovers/Ended", "Flush/Replaces", "ChangeID/Writes", "SubjectSessions/OnlyOfSubject", "SubjectSessions/FollowsWrites",
			"DestroySubject/RemovesAll", "DestroySubject/LeavesOthers"}, // also have such records
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if err == nil && r.Subject == "" {
					return nil, nil
				}
				return r, err
			}
		}},
	{Kills: "Retrieve/Created", Fault: "returns times in the zone of the server",
		Also: []string{"Create/OverExpired", "ChangeID/OverExpired", "Retrieve/Expires", "Flush/Replaces", "ChangeID/Writes", "Touch/SetsExpires", "Expiry/Far"}, // also look at times
		breaks: func(s *store) {
			zone := time.FixedZone("CEST", 2*60*60)
			s.alter(func(r *driver.Record) { r.Created, r.Expires = r.Created.In(zone), r.Expires.In(zone) })
		}},
	{Kills: "Destroy/NotFound", Fault: "returns nil from Destroy for every key",
		Also: []string{"Renamed/NotDestroyed", "Consistency/AnyStore", "Expiry/Destroy", "ChangeID/Races",
			"Answers/Abandoned", "Neighbours/Records"}, // destroy an absent record
		breaks: func(s *store) {
			s.mapErrors("Destroy", forgives(driver.ErrNotFound))
		}},
	{Kills: "Sessions/ExactlyOnce", Fault: "skips a record between two pages",
		Also: []string{"Sessions/WhileOthersChange"}, // also lists several pages
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				if len(keys) < 1000 {
					return keys
				}
				return slices.Delete(keys, 1000, 1001)
			})
		}},
	{Kills: "Sessions/CallsInLoop", Fault: "lists under the lock that writers need",
		Also: []string{"Sessions/ManyOpen", "Sessions/Extended", "Sessions/WhileOthersChange"}, // also writes from its loop
		breaks: func(s *store) {
			s.sessions = s.lockWhileListing(s.sessions)
			flush := s.flush
			destroy := s.destroy
			locked := func(ctx context.Context, f func() error) error {
				select {
				case s.world.lock <- struct{}{}:
					defer func() { <-s.world.lock }()
					return f()
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			s.flush = func(ctx context.Context, r *driver.Record) error {
				return locked(ctx, func() error { return flush(ctx, r) })
			}
			s.destroy = func(ctx context.Context, key string) error {
				return locked(ctx, func() error { return destroy(ctx, key) })
			}
		}},
	{Kills: "Sessions/OneError", Fault: "ends a listing without its error",
		Also: []string{"Sessions/ContextInLoop", "Context/Cancelled", "Context/Expired", "Close/ThenFails",
			"Context/Cause"}, // also want an error
		breaks: func(s *store) {
			s.mapErrors("Sessions", func(error) error { return nil })
		}},
	{Kills: "DeleteExpired/TwoAtOnce", Fault: "fails while another DeleteExpired runs",
		Also: []string{"DeleteExpired/SparesReborn", "Parallel/Use"}, // also sweep concurrently
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				select {
				case s.world.lock <- struct{}{}:
					defer func() { <-s.world.lock }()
					pause()
					return sweep(ctx)
				default:
					return 0, errors.New("database is locked")
				}
			}
		}},
	{Kills: "SubjectSessions/ByteByByte", Fault: "ignores trailing spaces of subjects",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool {
				return strings.TrimRight(r.Subject, " ") == strings.TrimRight(subject, " ")
			})
		}},
	{Kills: "SubjectSessions/ByteByByte", Fault: "cuts subjects to what its column holds",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool { return cutSubject(r.Subject) == cutSubject(subject) })
		}},
	{Kills: "DestroySubject/RemovesAll", Fault: "keeps the subject of Create in its index",
		Also: []string{"DestroySubject/RacesChangeID"}, // finds the fault sometimes, because the fault takes several steps
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, err := collect(s.correct.SubjectSessions(ctx, subject))
				if err != nil {
					return err
				}
				var moved []string
				s.world.do(func() {
					for _, key := range keys {
						if r, ok := s.world.created[key]; ok && r.Subject != subject {
							moved = append(moved, key)
						}
					}
				})
				return s.correct.DestroySubject(ctx, subject, append(moved, except...)...)
			}
		}},
	{Kills: "Ping/LeavesNothing", Fault: "proves a write by flushing the first record that it finds",
		Also: []string{"Ping/Serves"}, // also has a record during Ping
		breaks: func(s *store) {
			ping := s.ping
			s.ping = func(ctx context.Context) error {
				for key := range s.correct.Sessions(ctx) {
					if r, err := s.correct.Retrieve(ctx, key); err == nil {
						s.correct.Flush(ctx, r)
					}
					break
				}
				return ping(ctx)
			}
		}},
	{Kills: "Open/ErrorHidesDSN", Fault: "shows the name of an unknown parameter",
		open: func(d *opener, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if _, query, _ := strings.Cut(dsn, "?"); err != nil {
				name, _, _ := strings.Cut(query, "=")
				return nil, errors.New("unknown parameter " + name)
			}
			return s, nil
		}},
	{Kills: "Sessions/ContextInLoop", Fault: "yields the cause in place of the context's error",
		Also: []string{"Context/Cause"}, // also has such a context
		breaks: func(s *store) {
			sessions := s.sessions
			s.sessions = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for key, err := range sessions(ctx) {
						if err != nil && ctx.Err() != nil {
							err = context.Cause(ctx)
						}
						if !yield(key, err) {
							return
						}
					}
				}
			}
		}},
	{Kills: "Expiry/Far", Fault: "keeps seconds in unsigned 32 bits",
		Also: []string{"Retrieve/Expires"}, // has a TTL of 100 years
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				r.Expires = time.UnixMilli(int64(uint32(r.Expires.Unix()))*1000 + r.Expires.UnixMilli()%1000).UTC()
			})
		}},
	{Kills: "Expiry/Far", Fault: "sweeps live records whose expiry overflows 64 bits of nanoseconds",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				var wrapped []string
				s.world.do(func() {
					for key, r := range s.world.created {
						if time.Unix(0, r.Expires.UnixNano()).Before(time.Now()) && r.Expires.Year() > 2262 {
							wrapped = append(wrapped, key)
						}
					}
				})
				for _, key := range wrapped {
					s.correct.Destroy(ctx, key)
				}
				return sweep(ctx)
			}
		}},
	{Kills: "Expiry/Far", Fault: "limits the expiry of Touch to 32 bits of seconds",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				return touch(ctx, key, time.UnixMilli(min(expires.UnixMilli(), math.MaxUint32*1000)).UTC())
			}
		}},
	{Kills: "Context/Contended", Fault: "repeats Flush after a conflict, whatever the context says",
		Also: []string{"Flush/OneWins"}, // takes minutes
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) (err error) {
				for range 60 {
					if err = flush(ctx, r); !errors.Is(err, driver.ErrConflict) {
						return err
					}
					time.Sleep(100 * time.Millisecond)
					ctx = context.WithoutCancel(ctx)
				}
				return err
			}
		}},
	{Kills: "Keys/Odd", Fault: "drops the leading dashes of keys",
		Also: []string{"Keys/Listed", "Neighbours/Records"}, // also have such keys
		breaks: func(s *store) {
			s.mapKeys(func(key string) string { return strings.TrimLeft(key, "-") })
		}},
	{Kills: "Bytes/EveryValue", Fault: "cuts data at the first NUL",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Data, _, _ = bytes.Cut(r.Data, []byte{0}) })
		}},
	{Kills: "Close/DuringUse", Fault: "empties its map in Close while calls run",
		Also: []string{"Close/ThenFails", "Close/BeforeUse"}, // look at the error after Close
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				if errors.Is(err, driver.ErrClosed) {
					return driver.ErrNotFound
				}
				return err
			})
		}},
	{Kills: "Context/WritesNothing", Fault: "destroys before it checks the context",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				return errors.Join(destroy(context.WithoutCancel(ctx), key), ctx.Err())
			}
		}},
	{Kills: "Context/WritesNothing", Fault: "creates before it checks the context",
		Also: []string{"Bytes/OnlyVersion", "Open/FirstUseRetried"}, // creates the record again
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				return errors.Join(create(context.WithoutCancel(ctx), r), ctx.Err())
			}
		}},
	{Kills: "Context/WritesNothing", Fault: "changes the ID before it checks the context",
		Also: []string{"Bytes/OnlyVersion"}, // also has a cancelled context
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				return errors.Join(changeID(context.WithoutCancel(ctx), oldKey, r), ctx.Err())
			}
		}},
}

// mutantsOfEachMethod returns, for each method, mutants that break a rule for all methods.
func mutantsOfEachMethod() (list []Mutant) {
	for _, m := range []string{"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Sessions", "DeleteExpired",
		"Touch", "Ping", "SubjectSessions", "DestroySubject", "Renamed"} {
		add := func(kills, fault string, f func(error) error, also ...string) {
			list = append(list, Mutant{Kills: kills, Fault: m + " " + fault, Also: also,
				breaks: func(s *store) { s.mapErrors(m, f) }})
		}
		add("Context/Cancelled", "hides the error of a cancelled context", hides(context.Canceled), m+"/ContextInLoop", "Context/Cause")
		add("Context/Expired", "reports a timeout of its own", hides(context.DeadlineExceeded), m+"/ContextInLoop")
		add("Close/ThenFails", "goes on after Close", forgives(driver.ErrClosed), "Close/BeforeUse", "Close/DuringUse") // also call the method
		list = append(list, outageMutants(m)...)
	}
	return list
}

// versionOnCancel makes a write draw its version before it looks at the context.
func versionOnCancel(ctx context.Context, r *driver.Record, err error) error {
	if ctx.Err() != nil {
		r.Version++
	}
	return err
}

// rebornMutants take something of an expired record for that of the next record under its key, or
// for a live one.
var rebornMutants = []Mutant{
	{Kills: "Create/OverExpired", Fault: "keeps Created of the expired record",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				next := copyOf(r)
				if s.world.isExpired(r.Key) {
					s.world.do(func() { next.Created = s.world.created[r.Key].Created })
				}
				err := create(ctx, next)
				r.Version = next.Version
				return err
			}
		}},
	{Kills: "Create/OverExpired", Fault: "leaves the expired record in the index of its subject",
		breaks: func(s *store) {
			create := s.create
			s.keepsIndexEntries()
			s.create = func(ctx context.Context, r *driver.Record) error {
				s.keepIndexEntry(r.Key)
				return create(ctx, r)
			}
		}},
	{Kills: "ChangeID/OverExpired", Fault: "leaves the expired record in the index of its subject",
		breaks: func(s *store) {
			changeID := s.changeID
			s.keepsIndexEntries()
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				s.keepIndexEntry(r.Key)
				return changeID(ctx, oldKey, r)
			}
		}},
	{Kills: "Expiry/Flush", Fault: "compares the version of an expired record",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				version := r.Version
				return s.conflicts(flush(ctx, r), r.Key, version)
			}
		}},
	{Kills: "Expiry/ChangeID", Fault: "compares the version of an expired record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				version := r.Version
				return s.conflicts(changeID(ctx, oldKey, r), oldKey, version)
			}
		}},
}

// keepIndexEntry leaves the key in the index of the subject if its record has expired.
func (s *store) keepIndexEntry(key string) {
	if s.world.isExpired(key) {
		s.world.do(func() { s.world.keep[key] = s.world.created[key] })
	}
}

// keepsIndexEntries makes SubjectSessions list what keepIndexEntry has left, if the key is live.
func (s *store) keepsIndexEntries() {
	s.listsSubject(func(r *driver.Record, subject string) (is bool) {
		s.world.do(func() { is = r.Subject == subject || s.world.keep[r.Key].Subject == subject })
		return is
	})
}

// conflicts turns ErrNotFound into ErrConflict if the record has expired and had another version.
func (s *store) conflicts(err error, key string, version uint64) error {
	if !errors.Is(err, driver.ErrNotFound) || !s.world.isExpired(key) {
		return err
	}
	s.world.do(func() {
		if s.world.created[key].Version != version {
			err = driver.ErrConflict
		}
	})
	return err
}

// outageMutants returns the mutants of a method that returns a wrong answer when the server does not
// answer. Ping has a check of its own, and DeleteExpired may have nothing to do.
func outageMutants(method string) (list []Mutant) {
	add := func(fault string, err error) {
		list = append(list, Mutant{Kills: "Errors/Outage", Fault: "returns " + fault + " from " + method + " when the server does not answer", dead: true,
			Also:   []string{"Context/Dead"}, // also calls it
			breaks: func(s *store) { s.mapErrors(method, func(error) error { return err }) }})
	}
	switch method {
	case "Ping":
		return nil // the mutant of Ping/Dead
	case "Flush", "ChangeID":
		add("ErrConflict", driver.ErrConflict)
	case "Create":
		add("ErrExists", driver.ErrExists)
	}
	add("ErrNotFound", driver.ErrNotFound)
	if method != "DeleteExpired" {
		add("nil", nil)
	}
	return list
}
