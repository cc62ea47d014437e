package faulty

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

var readMutants = []Mutant{
	{Kills: "Retrieve/ReturnsAll", Fault: "reads an absent subject as NULL",
		Also: []string{"Flush/Replaces", "ChangeID/Writes"}, // also clear the subject
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				if r.Subject == "" {
					r.Subject = "NULL"
				}
			})
		}},
	{Kills: "Retrieve/Created", Fault: "keeps times in whole seconds",
		Also: []string{"Create/OverExpired"}, // also looks at Created
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Created = r.Created.Truncate(time.Second) })
		}},
	{Kills: "Retrieve/Expires", Fault: "keeps times in 32 bits",
		Also: []string{"Expiry/Far"}, // also has such times
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				if r.Expires.Unix() > math.MaxInt32 {
					r.Expires = time.Unix(math.MaxInt32, 0).UTC()
				}
			})
		}},
	{Kills: "Retrieve/NotFound", Fault: "returns the error of its backend for an absent record",
		Also: []string{"Renamed/NeverAdmits", "Expiry/Retrieve", "DestroySubject/RacesChangeID",
			"Answers/Abandoned", "Corrupt/Destroy"}, // retrieve an absent record
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				if errors.Is(err, driver.ErrNotFound) {
					return errors.New("sql: no rows in result set")
				}
				return err
			})
		}},

	{Kills: "Sessions/LiveOnly", Fault: "lists the old key of a renamed record",
		Also: []string{"Renamed/NotListed", "Expiry/Far"}, // also list renamed records
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				s.world.do(func() {
					for oldKey := range s.world.renamed {
						keys = append(keys, oldKey)
					}
				})
				return keys
			})
		}},
	{Kills: "Sessions/ExactlyOnce", Fault: "begins its second page with the first record",
		Also: []string{"Sessions/WhileOthersChange"}, // also counts how often each key is listed
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				if len(keys) < 1000 {
					return keys
				}
				return slices.Insert(keys, 1000, keys[0])
			})
		}},
	{Kills: "Sessions/WhileOthersChange", Fault: "pages by offset",
		breaks: func(s *store) {
			s.sessions = byOffset(s.sessions)
		}},
	{Kills: "Sessions/WhileRead", Fault: "leaves out every tenth record that was read since the last listing",
		Also: []string{"Sessions/Extended", "Keys/Listed"}, // also reads records before it lists them
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if err == nil {
					s.world.do(func() {
						if s.world.n++; s.world.n%10 == 0 {
							s.world.busy[key] = true
						}
					})
				}
				return r, err
			}
			s.lists(func(keys []string) (rest []string) {
				s.world.do(func() {
					rest = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return s.world.busy[key] })
					clear(s.world.busy)
				})
				return rest
			})
		}},
	{Kills: "Sessions/CallsInLoop", Fault: "holds a lock against DeleteExpired while it lists",
		Also: []string{"Sessions/ManyOpen"}, // also has a listing under way
		breaks: func(s *store) {
			s.sessions = s.lockWhileListing(s.sessions)
		}},
	{Kills: "Sessions/EarlyBreak", Fault: "releases its connection only at the end of a listing",
		Also: []string{"Sessions/ManyOpen"}, // also has more listings than connections
		breaks: func(s *store) {
			s.sessions = s.connectWhileListing(s.sessions)
		}},
	{Kills: "Sessions/ContextInLoop", Fault: "checks the context only once per page",
		breaks: func(s *store) {
			s.sessions = pageByPage(s.sessions)
		}},
	{Kills: "Sessions/OneError", Fault: "goes on after an error",
		Also: []string{"Sessions/ContextInLoop"}, // also looks for elements after an error
		breaks: func(s *store) {
			sessions := s.sessions
			s.sessions = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for key, err := range sessions(ctx) {
						if !yield(key, err) || err != nil && !yield(key, err) {
							return
						}
					}
				}
			}
		}},

	{Kills: "SubjectSessions/OnlyOfSubject", Fault: "lists the records without a subject too",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool {
				return r.Subject == subject || r.Subject == ""
			})
		}},
	{Kills: "SubjectSessions/FollowsWrites", Fault: "keeps the subject of Create in its index",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) (is bool) {
				s.world.do(func() { is = s.world.created[r.Key].Subject == subject })
				return is
			})
		}},
	{Kills: "SubjectSessions/ByteByByte", Fault: "ignores case in subjects",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool { return strings.EqualFold(r.Subject, subject) })
		}},
	{Kills: "SubjectSessions/ExactlyOnce", Fault: "lists at most a thousand records",
		Also: []string{"SubjectSessions/WhileOthersChange"}, // also lists more records
		breaks: func(s *store) {
			list := s.subjectSessions
			s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					n := 0
					for key, err := range list(ctx, subject) {
						if n++; n > 1000 || !yield(key, err) {
							return
						}
					}
				}
			}
		}},
	{Kills: "SubjectSessions/CallsInLoop", Fault: "holds a lock against DeleteExpired while it lists",
		Also: []string{"SubjectSessions/ManyOpen"}, // also has a listing under way
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(s.lockWhileListing)
		}},
	{Kills: "SubjectSessions/ContextInLoop", Fault: "checks the context only once per page",
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(pageByPage)
		}},
	{Kills: "SubjectSessions/EarlyBreak", Fault: "releases its connection only at the end of a listing",
		Also: []string{"SubjectSessions/ManyOpen"}, // also has more listings than connections
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(s.connectWhileListing)
		}},

	{Kills: "DestroySubject/RemovesAll", Fault: "removes at most a thousand records",
		Also: []string{"DestroySubject/ManyExcept"}, // also has more records
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, _ := collect(s.correct.SubjectSessions(ctx, subject))
				return s.correct.DestroySubject(ctx, subject, append(except, keys[min(len(keys), 1000):]...)...)
			}
		}},
	{Kills: "DestroySubject/LeavesOthers", Fault: "ignores case in subjects",
		Also:   []string{"DestroySubject/ByteByByte"}, // also has subjects that differ by case
		breaks: func(s *store) { s.destroysAlike(strings.EqualFold) }},
	{Kills: "DestroySubject/Except", Fault: "spares only one key",
		Also: []string{"DestroySubject/ManyExcept"}, // also spares several keys
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				return s.correct.DestroySubject(ctx, subject, except[:min(len(except), 1)]...)
			}
		}},
	{Kills: "DestroySubject/None", Fault: "fails if there is nothing to remove",
		Also: []string{"SubjectSessions/NamedAsKey", "Retrieve/FindsWhatMoves"}, // also call DestroySubject
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, err := collect(s.correct.SubjectSessions(ctx, subject))
				if err == nil && len(keys) == 0 {
					return driver.ErrNotFound
				}
				return s.correct.DestroySubject(ctx, subject, except...)
			}
		}},
	{Kills: "DestroySubject/NextSignIn", Fault: "ends records that are created later within the same second",
		Also: []string{"DestroySubject/RacesFlush", "Retrieve/FindsWhatMoves"}, // also call DestroySubject
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				err := s.correct.DestroySubject(ctx, subject, except...)
				if err == nil {
					s.world.do(func() { s.world.subjects[subject] = epoch{time.Now().Truncate(time.Second), except} })
				}
				return err
			}
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if err != nil {
					return nil, err
				}
				var e epoch
				s.world.do(func() { e = s.world.subjects[r.Subject] })
				if time.Since(e.at) < time.Second && !slices.Contains(e.except, key) {
					return nil, driver.ErrNotFound
				}
				return r, nil
			}
		}},
	{Kills: "DestroySubject/RacesFlush", Fault: "spares a record only if it has not changed meanwhile",
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				seen := map[string]uint64{}
				for _, key := range except {
					if r, err := s.correct.Retrieve(ctx, key); err == nil {
						seen[key] = r.Version
					}
				}
				pause()
				spared := slices.DeleteFunc(slices.Clone(except), func(key string) bool {
					r, err := s.correct.Retrieve(ctx, key)
					return err == nil && r.Version != seen[key]
				})
				return s.correct.DestroySubject(ctx, subject, spared...)
			}
		}},
	{Kills: "Retrieve/FindsWhatMoves", Fault: "reads a record first, and then whether its subject was ended",
		Also: []string{"DestroySubject/RacesFlush"}, // the fault forgets its exceptions
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				s.world.do(func() { s.world.first[subject]++ })
				return s.correct.DestroySubject(ctx, subject, except...)
			}
			ended := func() (n map[string]uint64) {
				s.world.do(func() { n = maps.Clone(s.world.first) })
				return n
			}
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				before := ended()
				r, err := retrieve(ctx, key)
				pause()
				if err == nil && ended()[r.Subject] != before[r.Subject] {
					return nil, driver.ErrNotFound
				}
				return r, err
			}
		}},
	{Kills: "DestroySubject/RacesChangeID", Fault: "lists the records first, and then destroys them one by one",
		Also: []string{"Renamed/PendingDestroyed"}, // also changes an ID during DestroySubject
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, err := collect(s.correct.SubjectSessions(ctx, subject))
				if err != nil {
					return err
				}
				pause()
				for _, key := range keys {
					if !slices.Contains(except, key) {
						s.destroy(ctx, key)
					}
				}
				return nil
			}
		}},
}

// alter makes Retrieve return records that f has changed.
func (s *store) alter(f func(*driver.Record)) {
	retrieve := s.retrieve
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := retrieve(ctx, key)
		if err == nil {
			f(r)
		}
		return r, err
	}
}

// lists makes Sessions yield the keys that f makes of the right ones.
func (s *store) lists(f func(keys []string) []string) {
	sessions := s.sessions
	s.sessions = func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			keys, err := collect(sessions(ctx))
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range f(keys) {
				if ctx.Err() != nil {
					yield("", ctx.Err())
					return
				}
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// listsSubject makes SubjectSessions yield the keys of the records that match selects.
func (s *store) listsSubject(match func(r *driver.Record, subject string) bool) {
	s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for key, err := range s.correct.Sessions(ctx) {
				if err == nil {
					r, _ := s.correct.Retrieve(ctx, key)
					if r == nil || !match(r, subject) {
						continue
					}
				}
				if !yield(key, err) {
					return
				}
			}
		}
	}
}

// pageByPage makes a listing read a page and yield all of it, even if the context ends.
func pageByPage(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			keys, err := collect(list(ctx))
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield("", err)
			}
		}
	}
}

type lister = func(context.Context) iter.Seq2[string, error]

// ofSubject returns SubjectSessions with a fault of Sessions.
func (s *store) ofSubject(fault func(lister) lister) func(context.Context, string) iter.Seq2[string, error] {
	type subjectKey struct{}
	list := s.subjectSessions
	faulty := fault(func(ctx context.Context) iter.Seq2[string, error] {
		return list(ctx, ctx.Value(subjectKey{}).(string))
	})
	return func(ctx context.Context, subject string) iter.Seq2[string, error] {
		return faulty(context.WithValue(ctx, subjectKey{}, subject))
	}
}

// lockWhileListing makes a listing hold a lock between two elements. DeleteExpired waits for that
// lock.
func (s *store) lockWhileListing(list lister) lister {
	s.deleteExpired = func(ctx context.Context) (int, error) {
		select {
		case s.world.lock <- struct{}{}:
			defer func() { <-s.world.lock }()
			return s.correct.DeleteExpired(ctx)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			select {
			case s.world.lock <- struct{}{}:
				defer func() { <-s.world.lock }()
				list(ctx)(yield)
			case <-ctx.Done():
				yield("", ctx.Err())
			}
		}
	}
}

// connectWhileListing makes a listing take one of a hundred connections, and release it only at
// the end.
func (s *store) connectWhileListing(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			select {
			case s.world.slots <- struct{}{}:
			case <-ctx.Done():
				yield("", ctx.Err())
				return
			}
			for key, err := range list(ctx) {
				if !yield(key, err) {
					return
				}
			}
			<-s.world.slots
		}
	}
}
