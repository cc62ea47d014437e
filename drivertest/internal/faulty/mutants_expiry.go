package faulty

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

const month = 30 * 24 * time.Hour

var expiryMutants = []Mutant{
	{Kills: "Expiry/NotBefore", Fault: "sends a TTL of more than 30 days, which its backend takes for a date",
		Also: []string{"Retrieve/Expires", "Expiry/Far"}, // also have long TTLs
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if time.Until(r.Expires) > month {
					return nil
				}
				return create(ctx, r)
			}
		}},
	{Kills: "Expiry/Far", Fault: "counts nanoseconds in 64 bits",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Expires = time.Unix(0, r.Expires.UnixNano()).UTC() })
		}},
	{Kills: "Expiry/Retrieve", Fault: "finds expired records until a write comes across them",
		breaks: func(s *store) {
			before := *s
			passed := func(key string) { s.world.do(func() { s.world.busy[key] = true }) }
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := before.retrieve(ctx, key)
				if errors.Is(err, driver.ErrNotFound) && s.world.isExpired(key) {
					s.world.do(func() {
						if kept := s.world.created[key]; !s.world.busy[key] {
							r, err = copyOf(&kept), nil
						}
					})
				}
				return r, err
			}
			s.flush = func(ctx context.Context, r *driver.Record) error {
				passed(r.Key)
				return before.flush(ctx, r)
			}
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				passed(oldKey)
				passed(r.Key)
				return before.changeID(ctx, oldKey, r)
			}
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				passed(key)
				return before.touch(ctx, key, expires)
			}
		}},
	{Kills: "Expiry/Flush", Fault: "revives an expired record",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrNotFound) && s.world.isExpired(r.Key) {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{Kills: "Expiry/ChangeID", Fault: "revives an expired record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrNotFound) && s.world.isExpired(oldKey) {
					err = s.create(ctx, r)
				}
				return err
			}
		}},
	{Kills: "Expiry/Destroy", Fault: "finds an expired record",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				err := destroy(ctx, key)
				if errors.Is(err, driver.ErrNotFound) && s.world.isExpired(key) {
					return nil
				}
				return err
			}
		}},
	{Kills: "Expiry/Touch", Fault: "revives an expired record",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				err := touch(ctx, key, expires)
				if errors.Is(err, driver.ErrNotFound) && s.world.isExpired(key) {
					r := driver.Record{}
					s.world.do(func() { r = s.world.created[key] })
					r.Expires = expires
					return s.create(ctx, &r)
				}
				return err
			}
		}},
	{Kills: "Expiry/Sessions", Fault: "lists expired records",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				for _, r := range s.world.expired() {
					keys = append(keys, r.Key)
				}
				return keys
			})
		}},
	{Kills: "Expiry/SubjectSessions", Fault: "lists expired records",
		Also: []string{"SubjectSessions/Extended"}, // also lists records that have expired
		breaks: func(s *store) {
			list := s.subjectSessions
			s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for key, err := range list(ctx, subject) {
						if !yield(key, err) {
							return
						}
					}
					for _, r := range s.world.expired() {
						if r.Subject == subject && !yield(r.Key, nil) {
							return
						}
					}
				}
			}
		}},
	{Kills: "Expiry/FlushExtends", Fault: "stores a later Expires, but leaves the TTL of the backend",
		Also:   []string{"DeleteExpired/SparesLive"}, // also extends by Flush
		breaks: func(s *store) { s.backendExpires(false, true) }},
	{Kills: "Expiry/TouchExtends", Fault: "stores a later Expires, but leaves the TTL of the backend",
		breaks: func(s *store) { s.backendExpires(true, false) }},
	{Kills: "Expiry/FlushShortens", Fault: "never moves an expiry to an earlier time",
		Also: []string{"Expiry/Far"}, // also has such expiries
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				c := copyOf(r)
				c.Expires = s.later(ctx, r.Key, r.Expires)
				err := flush(ctx, c)
				r.Version = c.Version
				return err
			}
		}},
	{Kills: "Expiry/TouchShortens", Fault: "never moves an expiry to an earlier time",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				return touch(ctx, key, s.later(ctx, key, expires))
			}
		}},
	{Kills: "Expiry/ChangeIDShortens", Fault: "never moves an expiry to an earlier time",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				c := copyOf(r)
				c.Expires = s.later(ctx, oldKey, r.Expires)
				err := changeID(ctx, oldKey, c)
				r.Version = c.Version
				return err
			}
		}},

	{Kills: "DeleteExpired/Counts", Fault: "counts live records too",
		Also: []string{"Renamed/NotCounted", "Ping/LeavesNothing"}, // also sweep with live records
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				keys, _ := collect(s.correct.Sessions(ctx))
				return n + len(keys), err
			}
		}},
	{Kills: "DeleteExpired/RemovesAll", Fault: "removes only one batch",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (n int, err error) {
				removed, err := sweep(ctx)
				s.world.do(func() {
					s.world.n += removed
					n = min(s.world.n, 10)
					s.world.n -= n
				})
				return n, err
			}
		}},
	{Kills: "DeleteExpired/TwoAtOnce", Fault: "counts and removes in two steps",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n := len(s.world.expired())
				pause()
				_, err := sweep(ctx)
				return n, err
			}
		}},
	{Kills: "DeleteExpired/SparesLive", Fault: "goes by the expiry of Create",
		Also: []string{"DeleteExpired/SparesReborn"}, // creates records between the two steps
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				for _, r := range s.world.expired() {
					s.correct.Destroy(ctx, r.Key)
				}
				return sweep(ctx)
			}
		}},
	{Kills: "DeleteExpired/SparesReborn", Fault: "chooses expired records, and then deletes by key",
		breaks: func(s *store) {
			create, sweep := s.create, s.deleteExpired
			s.create = func(ctx context.Context, r *driver.Record) error {
				pause() // until DeleteExpired has chosen
				return create(ctx, r)
			}
			s.deleteExpired = func(ctx context.Context) (int, error) {
				chosen := s.world.expired()
				time.Sleep(time.Second) // until all records are created
				for _, r := range chosen {
					reborn := false
					s.world.do(func() { reborn = s.world.created[r.Key].Version != r.Version })
					if reborn {
						s.correct.Destroy(ctx, r.Key)
					}
				}
				return sweep(ctx)
			}
		}},

	{Kills: "Touch/SetsExpires", Fault: "rounds to whole seconds",
		Also: []string{"Expiry/Far"}, // also has such expiries
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				return touch(ctx, key, expires.Truncate(time.Second))
			}
		}},
	{Kills: "Touch/LeavesTheRest", Fault: "replaces the record by one without Meta",
		breaks: func(s *store) {
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				for {
					r, err := s.correct.Retrieve(ctx, key)
					if err != nil {
						return err
					}
					r.Expires, r.Meta = expires, nil
					if err := s.correct.Flush(ctx, r); !errors.Is(err, driver.ErrConflict) {
						return err
					}
				}
			}
		}},
	{Kills: "Touch/LosesNoWrite", Fault: "writes back the whole record that it has read",
		breaks: func(s *store) {
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				r, err := s.correct.Retrieve(ctx, key)
				if err != nil {
					return err
				}
				pause()
				r.Expires = expires
				return s.force(ctx, r)
			}
		}},
	{Kills: "Touch/NeverInserts", Fault: "inserts a record that it can't update",
		Also: []string{"Neighbours/Records"}, // also touches an absent record
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				err := touch(ctx, key, expires)
				if errors.Is(err, driver.ErrNotFound) && !s.world.everHeld(key) {
					return s.create(ctx, &driver.Record{Key: key, Created: now(), Expires: expires})
				}
				return err
			}
		}},
	{Kills: "Ping/Serves", Fault: "fails before the first use",
		Also: []string{"Ping/LeavesNothing"}, // also meet the fault
		breaks: func(s *store) {
			create, ping := s.create, s.ping
			used := false
			s.create = func(ctx context.Context, r *driver.Record) error {
				s.world.do(func() { used = true })
				return create(ctx, r)
			}
			s.ping = func(ctx context.Context) error {
				err := ping(ctx)
				s.world.do(func() {
					if err == nil && !used {
						err = errors.New("not connected")
					}
				})
				return err
			}
		}},
	{Kills: "Ping/Dead", Fault: "is content with a server that accepts connections", dead: true,
		breaks: func(s *store) {
			s.ping = func(context.Context) error { return nil }
		}},
	{Kills: "Ping/LeavesNothing", Fault: "proves a write with a record that it leaves",
		breaks: func(s *store) {
			ping := s.ping
			s.ping = func(ctx context.Context) error {
				err := ping(ctx)
				if err == nil {
					s.correct.Create(ctx, &driver.Record{Key: "ping", Created: now(), Expires: now().Add(time.Hour)})
				}
				return err
			}
		}},
	{Kills: "Ping/ReadOnly", Fault: "proves only that it can read",
		breaks: func(s *store) {
			ping := s.ping
			s.ping = func(ctx context.Context) error {
				if _, err := s.correct.Retrieve(ctx, "ping"); errors.Is(err, driver.ErrNotFound) {
					return nil
				}
				return ping(ctx)
			}
		}},
}

// later returns the stored expiry if it is later than expires.
func (s *store) later(ctx context.Context, key string, expires time.Time) time.Time {
	if r, err := s.correct.Retrieve(ctx, key); err == nil && r.Expires.After(expires) {
		return r.Expires
	}
	return expires
}

// backendExpires makes the backend end a record at the expiry of Create or ChangeID. Flush and
// Touch change that only if they tell it to the backend.
func (s *store) backendExpires(flushTells, touchTells bool) {
	before := *s
	tell := func(err error, key string, expires time.Time) error {
		if err == nil {
			s.world.do(func() { s.world.keep[key] = driver.Record{Expires: expires} })
		}
		return err
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return tell(before.create(ctx, r), r.Key, r.Expires)
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		err := before.flush(ctx, r)
		if flushTells {
			tell(err, r.Key, r.Expires)
		}
		return err
	}
	s.touch = func(ctx context.Context, key string, expires time.Time) error {
		err := before.touch(ctx, key, expires)
		if touchTells {
			tell(err, key, expires)
		}
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return tell(before.changeID(ctx, oldKey, r), r.Key, r.Expires)
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := before.retrieve(ctx, key)
		s.world.do(func() {
			if kept, ok := s.world.keep[key]; err == nil && ok && !time.Now().Before(kept.Expires) {
				r, err = nil, driver.ErrNotFound
			}
		})
		return r, err
	}
}
