package drivertest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

var markMutants = []mutant{
	{kills: "Renamed/Found", fault: "forgets the mark when the record is written again",
		also: []string{"Renamed/OutlivesFirstExpiry"}, // writes it too
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if err == nil {
					s.unmark(func(old string) bool { return s.world.renamed[old] == r.Key })
				}
				return err
			}
			s.forgetsUnmarked()
		}},
	{kills: "Renamed/AnyStore", fault: "keeps its marks in the process",
		also: []string{"Renamed/OneWins", "Renamed/InOneStep"}, // ask another store than that which has renamed
		breaks: func(s *store) {
			changeID, rename := s.changeID, s.rename
			var own sync.Map
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if err == nil {
					own.Store(oldKey, true)
				}
				return err
			}
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				if _, mine := own.Load(key); err == nil && !mine {
					err = driver.ErrNotFound
				}
				return mark, err
			}
		}},
	{kills: "Renamed/OutlivesSweep", fault: "sweeps its marks away",
		also: []string{"Renamed/OutlivesFirstExpiry"}, // sweeps as well
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.unmark(func(string) bool { return true })
				return n, err
			}
			s.forgetsUnmarked()
		}},
	{kills: "Renamed/OutlivesFirstExpiry", fault: "gives the mark the expiry that the record has",
		breaks: func(s *store) {
			rename := s.rename
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				s.world.do(func() {
					if err == nil && !time.Now().Before(s.world.created[mark.To].Expires) {
						err = driver.ErrNotFound
					}
				})
				return mark, err
			}
		}},
	{kills: "Renamed/OutlivesDestroySubject", fault: "deletes the marks of a subject, whatever is spared",
		breaks: func(s *store) {
			destroySubject := s.destroySubject
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				err := destroySubject(ctx, subject, except...)
				if err == nil {
					s.unmark(func(old string) bool { return s.world.created[old].Subject == subject })
				}
				return err
			}
			s.forgetsUnmarked()
		}},
	{kills: "Renamed/Chain", fault: "leads to where the record is now",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) {
				for next, more := s.world.renamed[mark.To]; more; next, more = s.world.renamed[mark.To] {
					mark.To = next
				}
			})
		}},
	{kills: "Renamed/OneWins", fault: "leads to the key that was asked for last",
		also: []string{"Renamed/NeverAdmits"}, // changes an ID by a marked key
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				s.world.do(func() {
					if errors.Is(err, driver.ErrNotFound) && s.world.renamed[oldKey] != "" && s.world.n%2 == 0 {
						s.world.keep[oldKey] = *r
					}
				})
				return err
			}
			s.alterMark(func(key string, mark *driver.Rename) {
				if last, ok := s.world.keep[key]; ok && !s.world.destroyed[last.Key] {
					mark.To = last.Key
				}
			})
		}},
	{kills: "Renamed/NotFound", fault: "answers nil for a key of which it knows nothing",
		also: []string{"Renamed/NotAfterFailure"}, // asks for such a key too
		breaks: func(s *store) {
			rename := s.rename
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				if errors.Is(err, driver.ErrNotFound) && !s.world.everHeld(key) {
					err = nil
				}
				return mark, err
			}
		}},
	{kills: "Renamed/CreatedAgain", fault: "finds the mark of a key that was used again",
		breaks: func(s *store) {
			s.inTwoSteps(twoSteps{forgets: true})
			changeID, rename := s.changeID, s.rename
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if err == nil {
					s.world.do(func() { s.world.renamed[oldKey] = r.Key })
				}
				return err
			}
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				s.world.do(func() {
					if to, was := s.world.renamed[key]; was && errors.Is(err, driver.ErrNotFound) {
						mark, err = driver.Rename{To: to}, nil
					}
				})
				return mark, err
			}
		}},
	{kills: "Renamed/NotListed", fault: "lists the old key among those of the subject",
		also: []string{"SubjectSessions/FollowsWrites"}, // renames as well
		breaks: func(s *store) {
			list := s.subjectSessions
			s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					var old []string
					s.world.do(func() {
						for key := range s.world.renamed {
							if s.world.created[key].Subject == subject {
								old = append(old, key)
							}
						}
					})
					for key, err := range list(ctx, subject) {
						if !yield(key, err) || err != nil {
							return
						}
					}
					for _, key := range old {
						if !yield(key, nil) {
							return
						}
					}
				}
			}
		}},
	{kills: "Renamed/NotCounted", fault: "counts marks when it sweeps",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.world.do(func() { n += len(s.world.renamed) })
				return n, err
			}
		}},
	{kills: "Renamed/NotDestroyed", fault: "says that there is nothing to destroy, and has destroyed the mark",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				s.unmark(func(old string) bool { return old == key })
				return destroy(ctx, key)
			}
			s.forgetsUnmarked()
		}},
	{kills: "Renamed/NotCreated", fault: "creates over a mark",
		also: []string{"Renamed/CreatedAgain"}, // finds the mark again
		breaks: func(s *store) {
			s.inTwoSteps(twoSteps{})
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				err := create(ctx, r)
				if errors.Is(err, driver.ErrExists) {
					if _, live := s.correct.Retrieve(ctx, r.Key); live != nil {
						return s.correct.Create(ctx, r)
					}
				}
				return err
			}
		}},
	{kills: "Renamed/NotRenamed", fault: "renames over a mark",
		breaks: func(s *store) {
			s.inTwoSteps(twoSteps{})
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := s.locked(ctx, func() error { delete(s.world.marks, r.Key); return nil })
				if err != nil {
					return err
				}
				return changeID(ctx, oldKey, r)
			}
		}},
	{kills: "Renamed/Age", fault: "subtracts the clock of the server from that of the process",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) { mark.Age -= 10 * time.Millisecond })
		}},
	{kills: "Renamed/NeverAdmits", fault: "writes by the old key",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				to := s.movedTo(r.Key)
				if errors.Is(err, driver.ErrNotFound) && to != "" {
					return flush(ctx, renamed(r, to))
				}
				return err
			}
		}},
	{kills: "Renamed/InOneStep", fault: "leaves the mark a moment later",
		also: []string{"Renamed/OneWins", "Parallel/Use"}, // ask at once
		breaks: func(s *store) {
			changeID, rename := s.changeID, s.rename
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				s.world.do(func() { s.world.busy[oldKey] = true })
				defer s.world.do(func() { delete(s.world.busy, oldKey) })
				err := changeID(ctx, oldKey, r)
				pause()
				return err
			}
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				s.world.do(func() {
					if s.world.busy[key] && err == nil {
						err = driver.ErrNotFound
					}
				})
				return mark, err
			}
		}},
	{kills: "Renamed/NotAfterFailure", fault: "marks the old key before it knows whether it may",
		also: []string{"Renamed/NotRenamed"}, // changes an ID in vain too
		breaks: func(s *store) {
			changeID, rename := s.changeID, s.rename
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if errors.Is(err, driver.ErrExists) {
					s.world.do(func() { s.world.keep[oldKey] = *copyOf(r) })
				}
				return err
			}
			s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
				mark, err := rename(ctx, key)
				s.world.do(func() {
					if r, failed := s.world.keep[key]; failed && errors.Is(err, driver.ErrNotFound) {
						mark, err = driver.Rename{To: r.Key}, nil
					}
				})
				return mark, err
			}
		}},
	{kills: "Renamed/PendingNotListed", fault: "lists the copy that ChangeID begins with",
		also:   []string{"ChangeID/Interrupted"}, // lists meanwhile too
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, listsPending: true}) }},
	{kills: "Renamed/PendingDestroyed", fault: "ends no copy that ChangeID has begun with",
		also:   []string{"ChangeID/Interrupted", "DestroySubject/RacesChangeID"}, // meets it with luck
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, sparesPending: true}) }},
}

var moreMarkMutants = []mutant{
	{kills: "ChangeID/Interrupted", fault: "lists the copy that ChangeID has not completed",
		also:   []string{"Renamed/PendingNotListed"}, // lists it meanwhile
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, listsPending: true}) }},
	{kills: "ChangeID/Interrupted", fault: "never ends a copy that ChangeID has not completed",
		also:   []string{"Renamed/PendingDestroyed", "DestroySubject/RacesChangeID"}, // end it meanwhile
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, sparesPending: true}) }},
	{kills: "Renamed/Found", fault: "leaves no mark",
		also: everyMark(),
		breaks: func(s *store) {
			s.rename = func(ctx context.Context, _ string) (driver.Rename, error) {
				_, err := s.correct.Renamed(ctx, "no-record-has-this-key")
				return driver.Rename{}, err
			}
		}},
	{kills: "Renamed/Found", fault: "leads to the key that is asked for",
		also: everyMark(),
		breaks: func(s *store) {
			s.alterMark(func(key string, mark *driver.Rename) { mark.To = key })
		}},
	{kills: "Renamed/Chain", fault: "keeps the last mark of a record",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				if err == nil {
					s.unmark(func(old string) bool { return s.world.renamed[old] == oldKey })
				}
				return err
			}
			s.forgetsUnmarked()
		}},
	{kills: "Renamed/NeverAdmits", fault: "retrieves by the old key",
		also: []string{"ChangeID/Moves", "ChangeID/Races", "Consistency/AnyStore", "Renamed/InOneStep",
			"Renamed/NotCreated", "Renamed/NotRenamed",
			"Renamed/PendingNotListed", "Renamed/PendingDestroyed", "Renamed/CreatedAgain"}, // look at the old key too
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if to := s.movedTo(key); errors.Is(err, driver.ErrNotFound) && to != "" {
					return retrieve(ctx, to)
				}
				return r, err
			}
		}},
	{kills: "Renamed/NeverAdmits", fault: "touches by the old key",
		breaks: func(s *store) {
			touch := s.touch
			s.touch = func(ctx context.Context, key string, expires time.Time) error {
				err := touch(ctx, key, expires)
				if to := s.movedTo(key); errors.Is(err, driver.ErrNotFound) && to != "" {
					return touch(ctx, to, expires)
				}
				return err
			}
		}},
	{kills: "Renamed/NotDestroyed", fault: "destroys by the old key",
		also: []string{"ChangeID/Races"}, // may destroy after ChangeID
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				err := destroy(ctx, key)
				if to := s.movedTo(key); errors.Is(err, driver.ErrNotFound) && to != "" {
					return destroy(ctx, to)
				}
				return err
			}
		}},
	{kills: "ChangeID/Races", fault: "leaves the copy when the old record has changed meanwhile",
		also:   []string{"ChangeID/OneWins", "Renamed/PendingDestroyed"}, // change it meanwhile too
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, leavesPending: true}) }},
	{kills: "Renamed/Age", fault: "knows no age",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) { mark.Age = 0 })
		}},
	{kills: "Errors/Outage", fault: "takes a server that does not answer for one that has no mark", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Renamed", func(error) error { return driver.ErrNotFound })
		}},
}

// everyMark returns the checks that look for a mark, but those that are named.
func everyMark(but ...string) (names []string) {
	for _, c := range renamedChecks {
		if !slices.Contains(but, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}

// alterMark has Renamed return marks with a fault. The world is locked during f.
func (s *store) alterMark(f func(key string, mark *driver.Rename)) {
	rename := s.rename
	s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
		mark, err := rename(ctx, key)
		if err == nil {
			s.world.do(func() { f(key, &mark) })
		}
		return mark, err
	}
}

// movedTo returns the key to which a record was renamed, or "".
func (s *store) movedTo(key string) (to string) {
	s.world.do(func() { to = s.world.renamed[key] })
	return to
}

// unmark has the world forget marks: those that there are now.
func (s *store) unmark(which func(old string) bool) {
	s.world.do(func() {
		for old := range maps.Clone(s.world.renamed) {
			if which(old) {
				s.world.busy[old] = true
			}
		}
	})
}

// forgetsUnmarked has Renamed find no mark that the world has forgotten.
func (s *store) forgetsUnmarked() {
	rename := s.rename
	s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
		mark, err := rename(ctx, key)
		s.world.do(func() {
			if s.world.busy[key] && err == nil {
				err = driver.ErrNotFound
			}
		})
		return mark, err
	}
}
