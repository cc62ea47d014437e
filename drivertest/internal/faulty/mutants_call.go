package faulty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

var byteMutants = []Mutant{
	{Kills: "Bytes/OnlyVersion", Fault: "increments r.Version before it knows of a conflict",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if errors.Is(err, driver.ErrConflict) {
					r.Version++
				}
				return err
			}
		}},
	{Kills: "Keys/Odd", Fault: "stores keys in a column that takes digits for a number",
		Also: []string{"Keys/Listed"}, // also has such keys
		breaks: func(s *store) {
			s.mapKeys(func(key string) string {
				if n, err := strconv.ParseInt(key, 0, 64); err == nil {
					return strconv.FormatInt(n, 10)
				}
				return key
			})
		}},
	{Kills: "Keys/DifferByCase", Fault: "has a unique index that ignores case",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				taken := false
				s.world.do(func() {
					for key := range s.world.created {
						taken = taken || key != r.Key && strings.EqualFold(key, r.Key)
					}
				})
				if taken {
					return driver.ErrExists
				}
				return create(ctx, r)
			}
		}},
	{Kills: "Keys/Listed", Fault: "lists keys without their leading dash",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				for i := range keys {
					keys[i] = strings.TrimPrefix(keys[i], "-")
				}
				return keys
			})
		}},
	{Kills: "Keys/Long", Fault: "cuts keys to what its column holds",
		breaks: func(s *store) {
			s.mapKeys(func(key string) string { return key[:min(len(key), 60)] })
		}},
	{Kills: "Bytes/GivenToCreate", Fault: "keeps the slice that it is given",
		breaks: func(s *store) { s.keepsSlice("Create") }},
	{Kills: "Bytes/GivenToFlush", Fault: "keeps the slice that it is given",
		breaks: func(s *store) { s.keepsSlice("Flush") }},
	{Kills: "Bytes/GivenToChangeID", Fault: "keeps the slice that it is given",
		breaks: func(s *store) { s.keepsSlice("ChangeID") }},
	{Kills: "Bytes/Returned", Fault: "returns the same slice to all callers",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				s.world.do(func() {
					kept, ok := s.world.keep[r.Key]
					if !ok || kept.Version != r.Version {
						s.world.keep[r.Key] = *r
						return
					}
					r.Data, r.Meta = kept.Data, kept.Meta
				})
			})
		}},
	{Kills: "Bytes/Appended", Fault: "returns Meta with room to grow into Data",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				both := append(append([]byte{}, r.Meta...), r.Data...)
				r.Meta, r.Data = both[:len(r.Meta)], both[len(r.Meta):]
			})
		}},
	{Kills: "Bytes/EveryValue", Fault: "keeps data as text",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Data = []byte(strings.ToValidUTF8(string(r.Data), "?")) })
		}},
	{Kills: "Bytes/LongMeta", Fault: "cuts Meta to what its column holds",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Meta = r.Meta[:min(len(r.Meta), 512)] })
		}},
	{Kills: "Bytes/EmptyData", Fault: "does not clear the data",
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) {
				if len(r.Data) == 0 {
					r.Data = old.Data
				}
			})
		}},
	{Kills: "Bytes/EmptyMeta", Fault: "does not clear Meta",
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) {
				if len(r.Meta) == 0 {
					r.Meta = old.Meta
				}
			})
		}},
}

var callMutants = []Mutant{
	{Kills: "Parallel/Use", Fault: "shares a buffer between calls of Destroy",
		breaks: func(s *store) {
			destroy := s.destroy
			var buffer string
			s.destroy = func(ctx context.Context, key string) error {
				s.world.do(func() { buffer = key })
				pause()
				s.world.do(func() { key = buffer })
				return destroy(ctx, key)
			}
		}},
	{Kills: "Parallel/Increments", Fault: "has a lock in each store, and none in the backend",
		breaks: func(s *store) {
			lock := make(chan struct{}, 1)
			s.flush = func(ctx context.Context, r *driver.Record) error {
				lock <- struct{}{}
				defer func() { <-lock }()
				return s.checkThenWrite(ctx, r)
			}
		}},
	{Kills: "Consistency/AnyStore", Fault: "remembers for a second that a key was not found",
		breaks: func(s *store) {
			create, retrieve, changeID := s.create, s.retrieve, s.changeID
			var missed sync.Map // times, by key
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				if at, ok := missed.Load(key); ok && ctx.Err() == nil && time.Since(at.(time.Time)) < time.Second {
					return nil, driver.ErrNotFound
				}
				r, err := retrieve(ctx, key)
				if errors.Is(err, driver.ErrNotFound) {
					missed.Store(key, time.Now())
				}
				return r, err
			}
			s.create = func(ctx context.Context, r *driver.Record) error {
				missed.Delete(r.Key)
				return create(ctx, r)
			}
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				missed.Delete(r.Key)
				return changeID(ctx, oldKey, r)
			}
		}},
	{Kills: "Context/Cancelled", Fault: "hides the error of a cancelled context",
		Also:   []string{"Context/Cause"}, // also has such a context
		breaks: func(s *store) { s.mapErrors("Flush", hides(context.Canceled)) }},
	{Kills: "Context/Expired", Fault: "reports a timeout of its own",
		breaks: func(s *store) { s.mapErrors("Flush", hides(context.DeadlineExceeded)) }},
	{Kills: "Context/WritesNothing", Fault: "checks the context after the write",
		Also: []string{"Bytes/OnlyVersion"}, // also has a cancelled context
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				return errors.Join(flush(context.WithoutCancel(ctx), r), ctx.Err())
			}
		}},
	{Kills: "Context/Dead", Fault: "waits longer than the context", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				time.Sleep(5 * time.Second)
				return err
			})
		}},
	{Kills: "Errors/Outage", Fault: "returns ErrNotFound from Retrieve when the server does not answer", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(error) error { return driver.ErrNotFound })
		}},
	{Kills: "Errors/HideData", Fault: "shows the data that it could not store",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				err := flush(ctx, r)
				if err != nil {
					err = fmt.Errorf("flush %s: %w", r.Data, err)
				}
				return err
			}
		}},
	{Kills: "Errors/Printed", Fault: "keeps its DSN where fmt looks",
		breaks: func(s *store) { s.print = func() string { return "&store{dsn:" + *s.dsn + "}" } }},
	{Kills: "Errors/HideDSN", Fault: "shows the DSN where it could not store",
		breaks: func(s *store) {
			s.mapErrors("Flush", func(err error) error {
				if err != nil {
					err = fmt.Errorf("%s: %w", *s.dsn, err)
				}
				return err
			})
		}},
	{Kills: "Context/Cause", Fault: "returns the cause in place of the context's error",
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				r, err := retrieve(ctx, key)
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				return r, err
			}
		}},
	{Kills: "Context/Contended", Fault: "waits for a taken key to become free, whatever the context says",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) (err error) {
				for range 60 {
					if err = create(ctx, r); !errors.Is(err, driver.ErrExists) {
						return err
					}
					time.Sleep(100 * time.Millisecond)
					ctx = context.WithoutCancel(ctx)
				}
				return err
			}
		}},
	{Kills: "Answers/KeyAsked", Fault: "returns the key of the record that it has stored last",
		Also: []string{"Parallel/Use", "Retrieve/ReturnsAll", "ChangeID/Writes",
			"ChangeID/NeverOverwrites", "ChangeID/OldKeyFirst", "Renamed/NotCreated", "Renamed/NotRenamed", "Renamed/NeverAdmits",
			"Answers/Abandoned", "Close/DuringUse"}, // also look at keys
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				err := create(ctx, r)
				if err == nil {
					s.world.do(func() { s.world.keep["last"] = driver.Record{Key: r.Key} })
				}
				return err
			}
			s.alter(func(r *driver.Record) {
				s.world.do(func() {
					if last := s.world.keep["last"].Key; s.world.created[last].Key == last {
						r.Key = cmp.Or(last, r.Key)
					}
				})
			})
		}},
	{Kills: "Answers/Abandoned", Fault: "gives the answer to an abandoned call to the next call",
		breaks: func(s *store) {
			retrieve := s.retrieve
			var late []*driver.Record
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				r, err := retrieve(ctx, key)
				pause()
				s.world.do(func() {
					switch {
					case ctx.Err() != nil && err == nil:
						late, r, err = append(late, r), nil, ctx.Err()
					case err == nil && len(late) > 0:
						r, late = renamed(late[0], key), late[1:]
					}
				})
				return r, err
			}
		}},
	{Kills: "Close/ThenFails", Fault: "sweeps after Close",
		breaks: func(s *store) { s.mapErrors("DeleteExpired", forgives(driver.ErrClosed)) }},
	{Kills: "Close/BeforeUse", Fault: "does not close before its first use",
		breaks: func(s *store) {
			create, shut := s.create, s.close
			used := false
			s.create = func(ctx context.Context, r *driver.Record) error {
				s.world.do(func() { used = true })
				return create(ctx, r)
			}
			s.close = func() (err error) {
				if used {
					return shut()
				}
				return nil
			}
		}},
	{Kills: "Close/Twice", Fault: "fails in a second Close",
		breaks: func(s *store) {
			shut := s.close
			closed := false
			s.close = func() error {
				if closed {
					return driver.ErrClosed
				}
				closed = true
				return shut()
			}
		}},
	{Kills: "Close/LeavesOthers", Fault: "closes the statements that it shares with other stores",
		breaks: func(s *store) {
			shut := s.close
			s.close = func() error {
				s.world.do(func() { s.world.busy["closed"] = true })
				return shut()
			}
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) (err error) {
				s.world.do(func() {
					if s.world.busy["closed"] {
						err = driver.ErrClosed
					}
				})
				if err != nil {
					return err
				}
				return flush(ctx, r)
			}
		}},
	{Kills: "Close/DuringUse", Fault: "panics in a call concurrent with Close",
		breaks: func(s *store) {
			retrieve := s.retrieve
			s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
				if _, err := retrieve(ctx, key); errors.Is(err, driver.ErrClosed) {
					return nil, err
				}
				pause()
				r, err := retrieve(ctx, key)
				if errors.Is(err, driver.ErrClosed) {
					panic("send on closed channel")
				}
				return r, err
			}
		}},
}

// hides returns a function that replaces the error cause by one that does not match it.
func hides(cause error) func(error) error {
	return func(err error) error {
		if errors.Is(err, cause) {
			return errors.New("interrupted")
		}
		return err
	}
}

// forgives returns a function that replaces the error cause by nil.
func forgives(cause error) func(error) error {
	return func(err error) error {
		if errors.Is(err, cause) {
			return nil
		}
		return err
	}
}

// flushes makes Flush write what f makes of the record that it is given.
func (s *store) flushes(f func(r, old *driver.Record)) {
	flush := s.flush
	s.flush = func(ctx context.Context, r *driver.Record) error {
		c := copyOf(r)
		if old, err := s.correct.Retrieve(ctx, r.Key); err == nil {
			f(c, old)
		}
		err := flush(ctx, c)
		r.Version = c.Version
		return err
	}
}

// keepsSlice makes Retrieve return the present content of the slice that a method was given.
func (s *store) keepsSlice(method string) {
	before := *s
	keep := func(m string, err error, r *driver.Record) error {
		s.world.do(func() {
			delete(s.world.keep, r.Key)
			if err == nil && m == method {
				s.world.keep[r.Key] = driver.Record{Data: r.Data, Version: r.Version}
			}
		})
		return err
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return keep("Create", before.create(ctx, r), r)
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return keep("Flush", before.flush(ctx, r), r)
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return keep("ChangeID", before.changeID(ctx, oldKey, r), r)
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := before.retrieve(ctx, key)
		s.world.do(func() {
			if kept, ok := s.world.keep[key]; err == nil && ok && kept.Version == r.Version {
				r.Data = append([]byte(nil), kept.Data...)
			}
		})
		return r, err
	}
}
