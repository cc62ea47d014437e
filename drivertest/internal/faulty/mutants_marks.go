package faulty

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

var markMutants = []Mutant{
	{Kills: "Renamed/Found", Fault: "forgets the mark when the record is written again",
		Also: []string{"Renamed/OutlivesFirstExpiry"}, // also writes the record
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
	{Kills: "Renamed/AnyStore", Fault: "keeps its marks in the process",
		Also: []string{"Renamed/OneWins", "Renamed/InOneStep"}, // ask a store other than the one that has renamed
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
	{Kills: "Renamed/OutlivesSweep", Fault: "sweeps its marks away",
		Also: []string{"Renamed/OutlivesFirstExpiry"}, // also sweeps
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.unmark(func(string) bool { return true })
				return n, err
			}
			s.forgetsUnmarked()
		}},
	{Kills: "Renamed/OutlivesFirstExpiry", Fault: "gives the mark the expiry that the record has at the time",
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
	{Kills: "Renamed/OutlivesDestroySubject", Fault: "deletes all marks of a subject, also those of spared records",
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
	{Kills: "Renamed/Chain", Fault: "has marks that all lead to the current key of the record",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) {
				for next, more := s.world.renamed[mark.To]; more; next, more = s.world.renamed[mark.To] {
					mark.To = next
				}
			})
		}},
	{Kills: "Renamed/OneWins", Fault: "has a mark that leads to the key of the last ChangeID, even if that has failed",
		Also: []string{"Renamed/NeverAdmits"}, // calls ChangeID with a marked key
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
	{Kills: "Renamed/NotFound", Fault: "returns nil from Renamed for an unknown key",
		Also: []string{"Renamed/NotAfterFailure", "Neighbours/Marks"}, // also ask for such a key
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
	{Kills: "Renamed/CreatedAgain", Fault: "finds the mark of a key that was used again",
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
	{Kills: "Renamed/NotListed", Fault: "lists the old key among the keys of the subject",
		Also: []string{"ChangeID/OverExpired", "SubjectSessions/FollowsWrites", "Expiry/Far"}, // also rename
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
	{Kills: "Renamed/NotCounted", Fault: "counts marks when it sweeps",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				s.world.do(func() { n += len(s.world.renamed) })
				return n, err
			}
		}},
	{Kills: "Renamed/NotDestroyed", Fault: "returns ErrNotFound from Destroy, but destroys the mark",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				s.unmark(func(old string) bool { return old == key })
				return destroy(ctx, key)
			}
			s.forgetsUnmarked()
		}},
	{Kills: "Renamed/NotCreated", Fault: "creates over a mark",
		Also: []string{"Renamed/CreatedAgain"}, // also creates over a mark
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
	{Kills: "Renamed/NotRenamed", Fault: "renames over a mark",
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
	{Kills: "Renamed/Age", Fault: "subtracts the clock of the server from that of the process",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) { mark.Age -= 10 * time.Millisecond })
		}},
	{Kills: "Renamed/NeverAdmits", Fault: "writes by the old key",
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
	{Kills: "Renamed/InOneStep", Fault: "leaves the mark a moment after the record has ended",
		Also: []string{"Renamed/OneWins", "Parallel/Use"}, // ask during ChangeID
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
	{Kills: "Renamed/NotAfterFailure", Fault: "marks the old key before it knows whether ChangeID succeeds",
		Also: []string{"Renamed/NotRenamed"}, // also has a ChangeID that fails
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
	{Kills: "Renamed/PendingNotListed", Fault: "lists a pending copy",
		Also:   []string{"ChangeID/Interrupted"}, // also lists during ChangeID
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, listsPending: true}) }},
	{Kills: "Renamed/PendingDestroyed", Fault: "leaves a pending copy in DestroySubject",
		Also:   []string{"ChangeID/Interrupted", "DestroySubject/RacesChangeID"}, // find the fault sometimes
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, sparesPending: true}) }},
}

var moreMarkMutants = []Mutant{
	{Kills: "ChangeID/Interrupted", Fault: "lists a pending copy, also after an interrupted ChangeID",
		Also:   []string{"Renamed/PendingNotListed"}, // lists during ChangeID
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, listsPending: true}) }},
	{Kills: "ChangeID/Interrupted", Fault: "leaves a pending copy in DestroySubject, also after an interrupted ChangeID",
		Also:   []string{"Renamed/PendingDestroyed", "DestroySubject/RacesChangeID"}, // end the record during ChangeID
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, sparesPending: true}) }},
	{Kills: "Renamed/Found", Fault: "leaves no mark",
		Also: everyMark(),
		breaks: func(s *store) {
			s.rename = func(ctx context.Context, _ string) (driver.Rename, error) {
				_, err := s.correct.Renamed(ctx, "no-record-has-this-key")
				return driver.Rename{}, err
			}
		}},
	{Kills: "Renamed/Found", Fault: "has marks that lead to their own keys",
		Also: everyMark(),
		breaks: func(s *store) {
			s.alterMark(func(key string, mark *driver.Rename) { mark.To = key })
		}},
	{Kills: "Renamed/Chain", Fault: "keeps only the last mark of a record",
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
	{Kills: "Renamed/NeverAdmits", Fault: "retrieves by the old key",
		Also: []string{"ChangeID/Moves", "ChangeID/Races", "Consistency/AnyStore", "Renamed/InOneStep",
			"Renamed/NotCreated", "Renamed/NotRenamed",
			"Renamed/PendingNotListed", "Renamed/PendingDestroyed", "Renamed/CreatedAgain"}, // also look at the old key
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
	{Kills: "Renamed/NeverAdmits", Fault: "touches by the old key",
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
	{Kills: "Renamed/NotDestroyed", Fault: "destroys by the old key",
		Also: []string{"ChangeID/Races"}, // may call Destroy after ChangeID
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
	{Kills: "ChangeID/Races", Fault: "leaves the pending copy when the old record has changed meanwhile",
		Also:   []string{"ChangeID/OneWins", "Renamed/PendingDestroyed"}, // also change the record during ChangeID
		breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause, leavesPending: true}) }},
	{Kills: "Renamed/Age", Fault: "returns 0 as the age of every mark",
		breaks: func(s *store) {
			s.alterMark(func(_ string, mark *driver.Rename) { mark.Age = 0 })
		}},
}

// everyMark returns the checks that look for a mark, except those in but.
func everyMark(but ...string) (names []string) {
	for _, name := range []string{"Found", "AnyStore", "OutlivesSweep", "OutlivesFirstExpiry", "OutlivesDestroySubject", "Chain",
		"OneWins", "NotFound", "CreatedAgain", "NotListed", "NotCounted", "NotDestroyed", "NotCreated", "NotRenamed", "Age",
		"NeverAdmits", "InOneStep", "NotAfterFailure", "PendingNotListed", "PendingDestroyed"} {
		if name = "Renamed/" + name; !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	return append(names, "Neighbours/Marks")
}

// alterMark makes Renamed return marks that f has changed. f is called with the world locked.
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

// movedTo returns the key to which the record under key was renamed, or "".
func (s *store) movedTo(key string) (to string) {
	s.world.do(func() { to = s.world.renamed[key] })
	return to
}

// unmark makes the world forget the present marks under the old keys that which selects.
func (s *store) unmark(which func(old string) bool) {
	s.world.do(func() {
		for old := range maps.Clone(s.world.renamed) {
			if which(old) {
				s.world.busy[old] = true
			}
		}
	})
}

// forgetsUnmarked makes Renamed find no mark that the world has forgotten.
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
