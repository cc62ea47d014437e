package drivertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// moreMutants are faults that released session stores have had. Some are broad,
// and so are what they are killed by.
var moreMutants = slices.Concat(knownMutants, moreMarkMutants, mutantsOfEachMethod())

var knownMutants = []mutant{
	{kills: "Open/Shares", fault: "has a database in memory for each connection",
		also: []string{"Renamed/AnyStore", "Renamed/InOneStep", "Renamed/OneWins", "Renamed/PendingDestroyed",
			"Renamed/PendingNotListed", "Consistency/AnyStore", "Open/Reopen", "Open/FirstUseAtOnce", "Create/OneWins",
			"ChangeID/Races", "Destroy/RacesWrites",
			"DeleteExpired/SparesReborn", "Touch/LosesNoWrite", "Parallel/Increments", "DestroySubject/RacesChangeID",
			"DestroySubject/RacesFlush", "Retrieve/FindsWhatMoves",
			"Close/LeavesOthers", "Close/DuringUse"}, // every check with two handles
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			if dsn == deadDSN {
				return d.store(dsn)
			}
			if strings.Contains(dsn, "?") {
				return nil, errors.New("unknown parameter")
			}
			return memory.New(memory.Options{}), nil
		}},
	{kills: "Flush/NeverInserts", fault: "saves as upsert",
		also: []string{"Renamed/NeverAdmits", "Renamed/PendingNotListed", "Expiry/Flush", "Destroy/IsFinal",
			"Destroy/RacesWrites", "ChangeID/Races"}, // all bring something back
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
	{kills: "Flush/Conflict", fault: "lets the last writer win",
		also: []string{"Flush/Version0", "Consistency/AnyStore", "Flush/OneWins", "ChangeID/Races", "Parallel/Increments",
			"Open/Shares",
			"Version/AfterDestroy", "Version/AfterExpiry", "Version/ThereAndBack"}, // all write with a stale version
		breaks: func(s *store) {
			s.flush = func(ctx context.Context, r *driver.Record) error { return s.force(ctx, r) }
		}},
	{kills: "Flush/Replaces", fault: "forgets Meta",
		also: []string{"Flush/InOneStep", "Bytes/GivenToFlush", "Bytes/EveryValue", "Bytes/EmptyMeta", "Parallel/Use"}, // flush Meta
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) { r.Meta = old.Meta })
		}},
	{kills: "Flush/Replaces", fault: "forgets Expires",
		also: []string{"Expiry/FlushExtends", "Expiry/FlushShortens", "DeleteExpired/SparesLive"}, // flush Expires
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) { r.Expires = old.Expires })
		}},
	{kills: "Flush/Large", fault: "cuts data to what its column holds",
		breaks: func(s *store) {
			s.flushes(func(r, _ *driver.Record) { r.Data = r.Data[:min(len(r.Data), 1<<16-1)] })
		}},
	{kills: "Create/Large", fault: "says that data is too large, and has stored what fits",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if len(r.Data) < 1<<16 {
					return create(ctx, r)
				}
				create(ctx, withData(r, "cut"))
				return driver.ErrTooLarge
			}
		}},
	{kills: "ChangeID/Writes", fault: "renames, and writes nothing",
		also: []string{"ChangeID/Large", "Bytes/GivenToChangeID", "Expiry/ChangeIDShortens", "SubjectSessions/FollowsWrites",
			"DestroySubject/RemovesAll", "Parallel/Use"}, // write by ChangeID
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
	{kills: "Retrieve/ReturnsAll", fault: "says nil, nil for a record without a subject",
		also: []string{"Flush/Replaces", "ChangeID/Writes", "SubjectSessions/OnlyOfSubject", "SubjectSessions/FollowsWrites",
			"DestroySubject/RemovesAll", "DestroySubject/LeavesOthers"}, // have such records
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
	{kills: "Retrieve/Created", fault: "returns times in the zone of the server",
		also: []string{"Retrieve/Expires", "Flush/Replaces", "ChangeID/Writes", "Touch/SetsExpires"}, // look at times
		breaks: func(s *store) {
			zone := time.FixedZone("CEST", 2*60*60)
			s.alter(func(r *driver.Record) { r.Created, r.Expires = r.Created.In(zone), r.Expires.In(zone) })
		}},
	{kills: "Destroy/NotFound", fault: "is content with anything",
		also: []string{"Renamed/NotDestroyed", "Consistency/AnyStore", "Expiry/Destroy", "ChangeID/Races"}, // destroy what is gone
		breaks: func(s *store) {
			s.mapErrors("Destroy", forgives(driver.ErrNotFound))
		}},
	{kills: "Sessions/ExactlyOnce", fault: "skips a record between two pages",
		also: []string{"Sessions/WhileOthersChange"}, // lists as many
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				if len(keys) < 1000 {
					return keys
				}
				return slices.Delete(keys, 1000, 1001)
			})
		}},
	{kills: "Sessions/CallsInLoop", fault: "lists under the lock that writers need",
		also: []string{"Sessions/WhileOthersChange"}, // writes from its loop
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
	{kills: "Sessions/OneError", fault: "ends as if that were all",
		also: []string{"Sessions/ContextInLoop", "Context/Cancelled", "Context/Expired", "Close/ThenFails"}, // want an error
		breaks: func(s *store) {
			s.mapErrors("Sessions", func(error) error { return nil })
		}},
	{kills: "DeleteExpired/TwoAtOnce", fault: "fails while another sweeper is at work",
		also: []string{"DeleteExpired/SparesReborn", "Parallel/Use"}, // sweep at once too
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
	{kills: "SubjectSessions/ByteByByte", fault: "compares subjects without regard to spaces at the end",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool {
				return strings.TrimRight(r.Subject, " ") == strings.TrimRight(subject, " ")
			})
		}},
	{kills: "SubjectSessions/ByteByByte", fault: "cuts subjects to what its column holds",
		breaks: func(s *store) {
			cut := func(s string) string { return s[:min(len(s), 250)] }
			s.listsSubject(func(r *driver.Record, subject string) bool { return cut(r.Subject) == cut(subject) })
		}},
	{kills: "DestroySubject/RemovesAll", fault: "keeps the subject of Create in its index",
		also: []string{"DestroySubject/RacesChangeID"}, // meets it with luck only: it is not one step
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
	{kills: "Keys/Odd", fault: "drops dashes that keys begin with",
		also: []string{"Keys/Listed"}, // lists the same keys
		breaks: func(s *store) {
			s.mapKeys(func(key string) string { return strings.TrimLeft(key, "-") })
		}},
	{kills: "Bytes/EveryValue", fault: "cuts data at the first NUL",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Data, _, _ = bytes.Cut(r.Data, []byte{0}) })
		}},
	{kills: "Errors/Outage", fault: "takes a timeout of Flush for a conflict", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Flush", func(error) error { return driver.ErrConflict })
		}},
	{kills: "Errors/Outage", fault: "has destroyed what it could not reach", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Destroy", func(error) error { return nil })
		}},
	{kills: "Close/DuringUse", fault: "has emptied its map before calls are over",
		also: []string{"Close/ThenFails", "Close/BeforeUse"}, // look at the error after Close
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				if errors.Is(err, driver.ErrClosed) {
					return driver.ErrNotFound
				}
				return err
			})
		}},
	{kills: "Context/WritesNothing", fault: "destroys before it looks at the context",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				return errors.Join(destroy(context.WithoutCancel(ctx), key), ctx.Err())
			}
		}},
	{kills: "Context/WritesNothing", fault: "creates before it looks at the context",
		also: []string{"Open/FirstUseRetried"}, // creates again what was not to be created
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				return errors.Join(create(context.WithoutCancel(ctx), r), ctx.Err())
			}
		}},
	{kills: "Context/WritesNothing", fault: "changes the ID before it looks at the context",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				return errors.Join(changeID(context.WithoutCancel(ctx), oldKey, r), ctx.Err())
			}
		}},
}

// mutantsOfEachMethod are those that a rule for all methods calls for.
func mutantsOfEachMethod() (list []mutant) {
	for _, m := range methods {
		add := func(kills, fault string, f func(error) error, also ...string) {
			list = append(list, mutant{kills: kills, fault: m.name + " " + fault, also: also,
				breaks: func(s *store) { s.mapErrors(m.name, f) }})
		}
		add("Context/Cancelled", "hides the reason of an interrupted call", hides(context.Canceled), m.name+"/ContextInLoop")
		add("Context/Expired", "reports a timeout of its own", hides(context.DeadlineExceeded))
		add("Close/ThenFails", "goes on after Close", forgives(driver.ErrClosed), "Close/BeforeUse") // calls two of them
	}
	return list
}
