package drivertest

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

const month = 30 * 24 * time.Hour

var expiryMutants = []mutant{
	{kills: "Expiry/NotBefore", fault: "sends a TTL of more than 30 days, which its backend takes for a date",
		also: []string{"Retrieve/Expires"}, // has long TTLs too
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if time.Until(r.Expires) > month {
					return nil
				}
				return create(ctx, r)
			}
		}},
	{kills: "Expiry/Retrieve", fault: "finds expired records until a write comes across them",
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
	{kills: "Expiry/Flush", fault: "revives what has expired",
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
	{kills: "Expiry/ChangeID", fault: "revives what has expired",
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
	{kills: "Expiry/Destroy", fault: "finds what has expired",
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
	{kills: "Expiry/Touch", fault: "revives what has expired",
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
	{kills: "Expiry/Sessions", fault: "lists what has expired",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				for _, r := range s.world.expired() {
					keys = append(keys, r.Key)
				}
				return keys
			})
		}},
	{kills: "Expiry/SubjectSessions", fault: "lists what has expired",
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
	{kills: "Expiry/FlushExtends", fault: "stores a later Expires, and lets the backend go on with the old one",
		also:   []string{"DeleteExpired/SparesLive"}, // extends by Flush too
		breaks: func(s *store) { s.backendExpires(false, true) }},
	{kills: "Expiry/TouchExtends", fault: "stores a later Expires, and lets the backend go on with the old one",
		breaks: func(s *store) { s.backendExpires(true, false) }},
	{kills: "Expiry/FlushShortens", fault: "never moves an expiry up",
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
	{kills: "Expiry/TouchShortens", fault: "never moves an expiry up",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				return touch(ctx, key, s.later(ctx, key, expires))
			}
		}},
	{kills: "Expiry/ChangeIDShortens", fault: "never moves an expiry up",
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

	{kills: "DeleteExpired/Counts", fault: "counts what it has looked at",
		also: []string{"Renamed/NotCounted"}, // sweeps among live records too
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				keys, _ := collect(s.correct.Sessions(ctx))
				return n + len(keys), err
			}
		}},
	{kills: "DeleteExpired/RemovesAll", fault: "removes one batch",
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
	{kills: "DeleteExpired/TwoAtOnce", fault: "counts first and removes then",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n := len(s.world.expired())
				pause()
				_, err := sweep(ctx)
				return n, err
			}
		}},
	{kills: "DeleteExpired/SparesLive", fault: "goes by the expiry of Create",
		also: []string{"DeleteExpired/SparesReborn"}, // may be created again between its two steps
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				for _, r := range s.world.expired() {
					s.correct.Destroy(ctx, r.Key)
				}
				return sweep(ctx)
			}
		}},
	{kills: "DeleteExpired/SparesReborn", fault: "chooses first and deletes by key then",
		breaks: func(s *store) {
			create, sweep := s.create, s.deleteExpired
			s.create = func(ctx context.Context, r *driver.Record) error {
				pause() // until the sweepers have chosen
				return create(ctx, r)
			}
			s.deleteExpired = func(ctx context.Context) (int, error) {
				chosen := s.world.expired()
				time.Sleep(time.Second) // until all are created
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

	{kills: "Touch/SetsExpires", fault: "rounds to whole seconds",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				return touch(ctx, key, expires.Truncate(time.Second))
			}
		}},
	{kills: "Touch/LeavesTheRest", fault: "replaces the record by one without Meta",
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
	{kills: "Touch/LosesNoWrite", fault: "writes back all that it has read",
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
	{kills: "Touch/NeverInserts", fault: "inserts what it can't update",
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
	{kills: "Ping/Serves", fault: "can't say before the first use",
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
	{kills: "Ping/Dead", fault: "takes a server that accepts connections for one that answers", dead: true,
		breaks: func(s *store) {
			s.ping = func(context.Context) error { return nil }
		}},
}

// later returns the stored expiry if it is later than expires.
func (s *store) later(ctx context.Context, key string, expires time.Time) time.Time {
	if r, err := s.correct.Retrieve(ctx, key); err == nil && r.Expires.After(expires) {
		return r.Expires
	}
	return expires
}

// backendExpires has the backend end a record at the time that Create has set,
// or a method that tells it.
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
