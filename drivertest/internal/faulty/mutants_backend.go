package faulty

import (
	"context"
	"errors"
	"slices"

	"gosession.dev/session/driver"
)

// backendMutants have faults that show only if a backend has the records of several stores, or
// garbage.
var backendMutants = []Mutant{
	{Kills: "Neighbours/Records", Fault: "puts nothing between a prefix and a key",
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if errors.Is(err, driver.ErrNotFound) && key[0] == '2' {
					s.withNeighbour(func(n correct) { r, err = n.Retrieve(ctx, key[1:]) })
				}
				return r, err
			}
		}},
	{Kills: "Neighbours/Listed", Fault: "lists every key that begins with its prefix",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				s.withNeighbour(func(n correct) {
					more, _ := collect(n.Sessions(context.Background()))
					keys = append(keys, more...)
				})
				return keys
			})
		}},
	{Kills: "Neighbours/Swept", Fault: "sweeps every key that begins with its prefix",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.withNeighbour(func(other correct) {
					more, _ := other.DeleteExpired(ctx)
					n += more
				})
				return n, err
			}
		}},
	{Kills: "Neighbours/DestroySubject", Fault: "has one index of subjects for all prefixes",
		breaks: func(s *store) {
			destroySubject := s.destroySubject
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				s.withNeighbour(func(n correct) { n.DestroySubject(ctx, subject, except...) })
				return destroySubject(ctx, subject, except...)
			}
		}},
	{Kills: "Neighbours/Marks", Fault: "has one place for the marks of all prefixes",
		breaks: func(s *store) {
			rename := s.rename
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				if errors.Is(err, driver.ErrNotFound) {
					s.withNeighbour(func(n correct) { mark, err = n.Renamed(ctx, key) })
				}
				return mark, err
			}
		}},

	{Kills: "Corrupt/Retrieve", Fault: "returns ErrNotFound for garbage",
		Also: []string{"Corrupt/Flush", "Corrupt/ChangeID", "Corrupt/Touch", "Corrupt/Create", "Corrupt/ChangeIDOnto"}, // check that garbage is left
		breaks: func(s *store) {
			s.mapErrors("Retrieve", becomes(driver.ErrCorrupt, driver.ErrNotFound))
		}},
	{Kills: "Corrupt/Flush", Fault: "writes over garbage",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrCorrupt) {
					s.correct.Destroy(ctx, r.Key)
					return s.create(ctx, r)
				}
				return err
			}
		}},
	{Kills: "Corrupt/ChangeID", Fault: "returns ErrConflict for garbage",
		breaks: func(s *store) {
			s.mapErrors("ChangeID", becomes(driver.ErrCorrupt, driver.ErrConflict))
		}},
	{Kills: "Corrupt/Touch", Fault: "returns nil from Touch for garbage",
		breaks: func(s *store) {
			s.mapErrors("Touch", forgives(driver.ErrCorrupt))
		}},
	{Kills: "Corrupt/Create", Fault: "takes a key that holds garbage as free",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				if err := create(ctx, r); !errors.Is(err, driver.ErrExists) || !s.isCorrupt(r.Key) {
					return err
				}
				s.correct.Destroy(ctx, r.Key)
				return create(ctx, r)
			}
		}},
	{Kills: "Corrupt/ChangeIDOnto", Fault: "takes a key that holds garbage as free",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				if err := changeID(ctx, oldKey, r); !errors.Is(err, driver.ErrExists) || !s.isCorrupt(r.Key) {
					return err
				}
				s.correct.Destroy(ctx, r.Key)
				return changeID(ctx, oldKey, r)
			}
		}},
	{Kills: "Corrupt/Destroy", Fault: "reads a record before it destroys it",
		Also: []string{"Leftovers/Ended"}, // destroys corrupt records
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				if s.isCorrupt(key) {
					return driver.ErrCorrupt
				}
				return destroy(ctx, key)
			}
		}},
	{Kills: "Corrupt/Listed", Fault: "lists keys without reading their values",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				return append(keys, s.world.state.keys()...)
			})
		}},
	{Kills: "Corrupt/Others", Fault: "stops a sweep at the first record that it can't read",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				if len(s.world.state.keys()) > 0 {
					return 0, driver.ErrCorrupt
				}
				return sweep(ctx)
			}
		}},
}

var moreBackendMutants = []Mutant{
	{Kills: "Neighbours/Listed", Fault: "lists every key that matches its prefix as a pattern",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				s.withMatch(func(n correct) {
					more, _ := collect(n.Sessions(context.Background()))
					keys = append(keys, more...)
				})
				return keys
			})
		}},
	{Kills: "Neighbours/Swept", Fault: "sweeps every key that matches its prefix as a pattern",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.withMatch(func(other correct) {
					more, _ := other.DeleteExpired(ctx)
					n += more
				})
				return n, err
			}
		}},
	{Kills: "Neighbours/DestroySubject", Fault: "destroys the subject in every place that matches its prefix as a pattern",
		breaks: func(s *store) {
			destroySubject := s.destroySubject
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				s.withMatch(func(n correct) { n.DestroySubject(ctx, subject, except...) })
				return destroySubject(ctx, subject, except...)
			}
		}},
	{Kills: "Corrupt/Flush", Fault: "returns ErrNotFound for garbage",
		breaks: func(s *store) { s.mapErrors("Flush", becomes(driver.ErrCorrupt, driver.ErrNotFound)) }},
	{Kills: "Corrupt/ChangeID", Fault: "returns ErrNotFound for garbage",
		breaks: func(s *store) { s.mapErrors("ChangeID", becomes(driver.ErrCorrupt, driver.ErrNotFound)) }},
	{Kills: "Corrupt/Touch", Fault: "returns ErrNotFound for garbage",
		breaks: func(s *store) { s.mapErrors("Touch", becomes(driver.ErrCorrupt, driver.ErrNotFound)) }},
}

// becomes returns a function that replaces the error cause by other.
func becomes(cause, other error) func(error) error {
	return func(err error) error {
		if errors.Is(err, cause) {
			return other
		}
		return err
	}
}

func (s *store) isCorrupt(key string) bool { return slices.Contains(s.world.state.keys(), key) }
