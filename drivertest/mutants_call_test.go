package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

var versionMutants = []mutant{
	{kills: "Version/OfEachWrite", fault: "keeps the version as long as it writes what is there",
		breaks: func(s *store) {
			s.reuse(func(method string, r, old *driver.Record) bool {
				return method == "Flush" && string(r.Data) == string(old.Data)
			})
		}},
	{kills: "Version/AfterDestroy", fault: "begins anew after Destroy",
		breaks: func(s *store) {
			s.reuse(func(method string, r, _ *driver.Record) bool {
				return method == "Create" && s.world.destroyed[r.Key]
			})
		}},
	{kills: "Version/AfterExpiry", fault: "begins anew after the sweeper has been",
		breaks: func(s *store) {
			s.reuse(func(method string, r, _ *driver.Record) bool {
				return method == "Create" && !s.world.destroyed[r.Key]
			})
		}},
	{kills: "Version/ThereAndBack", fault: "begins anew under a key that it had before",
		breaks: func(s *store) {
			s.reuse(func(method string, _, _ *driver.Record) bool { return method == "ChangeID" })
		}},
}

var byteMutants = []mutant{
	{kills: "Bytes/OnlyVersion", fault: "counts the version up before it knows whether it may",
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
	{kills: "Keys/Odd", fault: "stores keys in a column that takes digits for a number",
		also: []string{"Keys/Listed"}, // has the same keys
		breaks: func(s *store) {
			s.mapKeys(func(key string) string {
				if n, err := strconv.ParseInt(key, 0, 64); err == nil {
					return strconv.FormatInt(n, 10)
				}
				return key
			})
		}},
	{kills: "Keys/DifferByCase", fault: "has a unique index without regard to case",
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
	{kills: "Keys/Listed", fault: "drops a dash that keys begin with from the list",
		breaks: func(s *store) {
			s.lists(func(keys []string) []string {
				for i := range keys {
					keys[i] = strings.TrimPrefix(keys[i], "-")
				}
				return keys
			})
		}},
	{kills: "Keys/Long", fault: "cuts keys to what its column holds",
		breaks: func(s *store) {
			s.mapKeys(func(key string) string { return key[:min(len(key), 60)] })
		}},
	{kills: "Bytes/GivenToCreate", fault: "keeps the slice",
		breaks: func(s *store) { s.keepsSlice("Create") }},
	{kills: "Bytes/GivenToFlush", fault: "keeps the slice",
		breaks: func(s *store) { s.keepsSlice("Flush") }},
	{kills: "Bytes/GivenToChangeID", fault: "keeps the slice",
		breaks: func(s *store) { s.keepsSlice("ChangeID") }},
	{kills: "Bytes/Returned", fault: "returns one slice to all",
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
	{kills: "Bytes/Appended", fault: "returns Meta with room to grow into Data",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) {
				both := append(append([]byte{}, r.Meta...), r.Data...)
				r.Meta, r.Data = both[:len(r.Meta)], both[len(r.Meta):]
			})
		}},
	{kills: "Bytes/EveryValue", fault: "keeps data as text",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Data = []byte(strings.ToValidUTF8(string(r.Data), "?")) })
		}},
	{kills: "Bytes/LongMeta", fault: "cuts Meta to what its column holds",
		breaks: func(s *store) {
			s.alter(func(r *driver.Record) { r.Meta = r.Meta[:min(len(r.Meta), 512)] })
		}},
	{kills: "Bytes/EmptyData", fault: "leaves data that is to be empty",
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) {
				if len(r.Data) == 0 {
					r.Data = old.Data
				}
			})
		}},
	{kills: "Bytes/EmptyMeta", fault: "leaves Meta that is to be empty",
		breaks: func(s *store) {
			s.flushes(func(r, old *driver.Record) {
				if len(r.Meta) == 0 {
					r.Meta = old.Meta
				}
			})
		}},
}

var callMutants = []mutant{
	{kills: "Parallel/Use", fault: "shares a buffer between calls of Destroy",
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
	{kills: "Parallel/Increments", fault: "has a lock in each store, and none in the backend",
		breaks: func(s *store) {
			lock := make(chan struct{}, 1)
			s.flush = func(ctx context.Context, r *driver.Record) error {
				lock <- struct{}{}
				defer func() { <-lock }()
				return s.checkThenWrite(ctx, r)
			}
		}},
	{kills: "Consistency/AnyStore", fault: "remembers for a second what it has not found",
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
	{kills: "Context/Cancelled", fault: "hides the reason of an interrupted call",
		breaks: func(s *store) { s.mapErrors("Flush", hides(context.Canceled)) }},
	{kills: "Context/Expired", fault: "reports a timeout of its own",
		breaks: func(s *store) { s.mapErrors("Flush", hides(context.DeadlineExceeded)) }},
	{kills: "Context/WritesNothing", fault: "looks at the context after it has written",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				return errors.Join(flush(context.WithoutCancel(ctx), r), ctx.Err())
			}
		}},
	{kills: "Context/Dead", fault: "waits for longer than it may", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(err error) error {
				time.Sleep(5 * time.Second)
				return err
			})
		}},
	{kills: "Errors/Outage", fault: "takes a server that does not answer for one that has nothing", dead: true,
		breaks: func(s *store) {
			s.mapErrors("Retrieve", func(error) error { return driver.ErrNotFound })
		}},
	{kills: "Errors/HideData", fault: "says what it could not store",
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
	{kills: "Errors/HideDSN", fault: "says where it could not store",
		breaks: func(s *store) {
			s.mapErrors("Flush", func(err error) error {
				if err != nil {
					err = fmt.Errorf("%s: %w", s.dsn, err)
				}
				return err
			})
		}},
	{kills: "Close/ThenFails", fault: "sweeps after Close",
		breaks: func(s *store) { s.mapErrors("DeleteExpired", forgives(driver.ErrClosed)) }},
	{kills: "Close/BeforeUse", fault: "has nothing to close before it was used",
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
	{kills: "Close/Twice", fault: "closes what is closed",
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
	{kills: "Close/LeavesOthers", fault: "closes the statements that it shares with other stores",
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
	{kills: "Close/DuringUse", fault: "panics in a call that Close overtakes",
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

// hides replaces an error by a text.
func hides(cause error) func(error) error {
	return func(err error) error {
		if errors.Is(err, cause) {
			return errors.New("interrupted")
		}
		return err
	}
}

// forgives replaces an error by success.
func forgives(cause error) func(error) error {
	return func(err error) error {
		if errors.Is(err, cause) {
			return nil
		}
		return err
	}
}

// flushes has Flush write something else than it is given.
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

// keepsSlice has Retrieve return the data that is now in the slice that a method
// was given.
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
