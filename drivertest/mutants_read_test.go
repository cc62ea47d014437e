package drivertest

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

var readMutants = []mutant{
	{kills: "Retrieve/ReturnsAll", fault: "reads an absent subject as NULL",
		also: []string{"Flush/Replaces", "ChangeID/Writes"}, // empty the subject too
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				if r.Subject == "" {
					r.Subject = "NULL"
				}
			})
		}},
	{kills: "Retrieve/Created", fault: "keeps times in whole seconds",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Created = r.Created.Truncate(time.Second) })
		}},
	{kills: "Retrieve/Expires", fault: "keeps times in 32 bits",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				if r.Expires.Unix() > math.MaxInt32 {
					r.Expires = time.Unix(math.MaxInt32, 0).UTC()
				}
			})
		}},
	{kills: "Retrieve/NotFound", fault: "returns the error of its backend for an absent record",
		also: []string{"Renamed/NeverAdmits", "Expiry/Retrieve", "DestroySubject/RacesChangeID"}, // retrieve what is gone
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				if errors.Is(err, driver.ErrNotFound) {
					return errors.New("sql: no rows in result set")
				}
				return err
			})
		}},

	{kills: "Sessions/LiveOnly", fault: "lists the old key of a renamed record",
		also: []string{"Renamed/NotListed"}, // lists renamed records too
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
	{kills: "Sessions/ExactlyOnce", fault: "begins its second page with the first record",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				if len(keys) < 1000 {
					return keys
				}
				return slices.Insert(keys, 1000, keys[0])
			})
		}},
	{kills: "Sessions/WhileOthersChange", fault: "pages by offset",
		breaks: func(s *store) {
			s.sessions = func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for offset := 0; ; offset += 100 {
						keys, err := collect(s.correct.Sessions(ctx))
						if err != nil {
							yield("", err)
							return
						}
						slices.Sort(keys)
						if offset >= len(keys) {
							return
						}
						for _, key := range keys[offset:min(offset+100, len(keys))] {
							if ctx.Err() != nil {
								break // the next page says so
							}
							if !yield(key, nil) {
								return
							}
						}
					}
				}
			}
		}},
	{kills: "Sessions/WhileRead", fault: "passes by every tenth record that was read since the listing before",
		also: []string{"Keys/Listed"}, // reads what it lists
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
	{kills: "Sessions/CallsInLoop", fault: "keeps the sweeper out while it lists",
		breaks: func(s *store) {
			s.sessions = s.lockWhileListing(s.sessions)
		}},
	{kills: "Sessions/EarlyBreak", fault: "gives a connection back at the end only",
		breaks: func(s *store) {
			s.sessions = s.connectWhileListing(s.sessions)
		}},
	{kills: "Sessions/ContextInLoop", fault: "looks at the context once a page",
		breaks: func(s *store) {
			s.sessions = pageByPage(s.sessions)
		}},
	{kills: "Sessions/OneError", fault: "goes on after an error",
		also: []string{"Sessions/ContextInLoop"}, // looks for what follows an error too
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

	{kills: "SubjectSessions/OnlyOfSubject", fault: "lists the records without a subject too",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool {
				return r.Subject == subject || r.Subject == ""
			})
		}},
	{kills: "SubjectSessions/FollowsWrites", fault: "keeps the subject of Create in its index",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) (is bool) {
				s.world.do(func() { is = s.world.created[r.Key].Subject == subject })
				return is
			})
		}},
	{kills: "SubjectSessions/ByteByByte", fault: "compares subjects without regard to case",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool { return strings.EqualFold(r.Subject, subject) })
		}},
	{kills: "SubjectSessions/ExactlyOnce", fault: "lists a thousand at most",
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
	{kills: "SubjectSessions/CallsInLoop", fault: "keeps the sweeper out while it lists",
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(s.lockWhileListing)
		}},
	{kills: "SubjectSessions/ContextInLoop", fault: "looks at the context once a page",
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(pageByPage)
		}},
	{kills: "SubjectSessions/EarlyBreak", fault: "gives a connection back at the end only",
		breaks: func(s *store) {
			s.subjectSessions = s.ofSubject(s.connectWhileListing)
		}},

	{kills: "DestroySubject/RemovesAll", fault: "removes a hundred at most",
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, _ := collect(s.correct.SubjectSessions(ctx, subject))
				return s.correct.DestroySubject(ctx, subject, append(except, keys[min(len(keys), 100):]...)...)
			}
		}},
	{kills: "DestroySubject/LeavesOthers", fault: "compares subjects without regard to case",
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, _ := collect(s.correct.Sessions(ctx))
				for _, key := range keys {
					r, err := s.correct.Retrieve(ctx, key)
					if err == nil && r.Subject != subject && strings.EqualFold(r.Subject, subject) {
						s.correct.DestroySubject(ctx, r.Subject, except...)
					}
				}
				return s.correct.DestroySubject(ctx, subject, except...)
			}
		}},
	{kills: "DestroySubject/Except", fault: "spares one",
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				return s.correct.DestroySubject(ctx, subject, except[:min(len(except), 1)]...)
			}
		}},
	{kills: "DestroySubject/None", fault: "complains if there is nothing to remove",
		also: []string{"Retrieve/FindsWhatMoves"}, // end a subject too
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				keys, err := collect(s.correct.SubjectSessions(ctx, subject))
				if err == nil && len(keys) == 0 {
					return driver.ErrNotFound
				}
				return s.correct.DestroySubject(ctx, subject, except...)
			}
		}},
	{kills: "DestroySubject/NextSignIn", fault: "ends what is created within the same second",
		also: []string{"DestroySubject/RacesFlush", "Retrieve/FindsWhatMoves"}, // end a subject too
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
	{kills: "DestroySubject/RacesFlush", fault: "spares what it has seen, and not what is written meanwhile",
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
	{kills: "Retrieve/FindsWhatMoves", fault: "reads a record first, and then whether its subject was ended",
		also: []string{"DestroySubject/RacesFlush"}, // whose exceptions it forgets
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
	{kills: "DestroySubject/RacesChangeID", fault: "lists first and destroys one by one then",
		also: []string{"Renamed/PendingDestroyed"}, // changes an ID meanwhile too
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

// alter has Retrieve return records with a fault.
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

// lists has Sessions yield other keys.
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

// listsSubject has SubjectSessions yield the keys of those that match.
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

// pageByPage lists as one that reads a page, and yields that whatever happens.
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

// ofSubject applies a fault of Sessions to SubjectSessions.
func (s *store) ofSubject(fault func(lister) lister) func(context.Context, string) iter.Seq2[string, error] {
	list := s.subjectSessions
	return func(ctx context.Context, subject string) iter.Seq2[string, error] {
		return fault(func(ctx context.Context) iter.Seq2[string, error] { return list(ctx, subject) })(ctx)
	}
}

// lockWhileListing holds a lock between two elements, for which DeleteExpired
// waits.
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

// connectWhileListing takes one of a hundred connections.
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
