package memory

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

// store is an open handle on records, which other stores may share.
type store struct {
	*records
	closed  atomic.Bool
	release func() // called once, by the first Close
}

var (
	_ driver.Store            = (*store)(nil)
	_ driver.Toucher          = (*store)(nil)
	_ driver.Pinger           = (*store)(nil)
	_ driver.SubjectLister    = (*store)(nil)
	_ driver.SubjectDestroyer = (*store)(nil)
	_ driver.RenameTracker    = (*store)(nil)
	_ driver.Lossy            = (*store)(nil)
)

// Format writes the name of the type for every verb, so that printing a store shows no data.
func (*store) Format(f fmt.State, _ rune) { io.WriteString(f, "memory.Store") }

// usable returns the error of a call on a closed store or with a done context, or nil.
func (s *store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	return ctx.Err()
}

func (s *store) Create(ctx context.Context, r *driver.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	now := s.now()
	if s.max > 0 && s.isTaken(r.Key, now) { // a full store returns ErrExists too
		return driver.ErrExists
	}
	if err := s.reserve(now); err != nil {
		return err
	}
	e := newEntry(r, s.nextVersion())
	sh := s.shard(r.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	expired, free := sh.vacant(r.Key, now)
	if !free {
		s.unreserve(1)
		return driver.ErrExists
	}
	if expired != nil {
		s.unreserve(1)
		sh.remove(expired)
	}
	sh.add(&e)
	r.Version = e.version
	return nil
}

func (s *store) isTaken(key string, now time.Time) bool {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, free := sh.vacant(key, now)
	return !free
}

func (s *store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	e := sh.entries[key]
	if e == nil || !e.live(s.now()) {
		sh.mu.Unlock()
		return nil, driver.ErrNotFound
	}
	copied := *e
	sh.mu.Unlock()
	return copied.record(), nil
}

func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	next := newEntry(r, s.nextVersion())
	sh := s.shard(r.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.current(r.Key, r.Version, s.now())
	if err != nil {
		return err
	}
	sh.replace(e, next)
	r.Version = next.version
	return nil
}

func (s *store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	next := newEntry(r, s.nextVersion())
	from, to := s.shard(oldKey), s.shard(r.Key)
	defer lockBoth(from, to)()
	now := s.now()
	old, err := from.current(oldKey, r.Version, now)
	if err != nil {
		return err
	}
	expired, free := to.vacant(r.Key, now)
	if !free {
		return driver.ErrExists
	}
	if expired != nil {
		to.remove(expired)
		s.unreserve(1)
	}
	next.created = old.created
	from.remove(old)
	from.marks.add(oldKey, mark{to: r.Key, at: now})
	to.add(&next)
	r.Version = next.version
	return nil
}

func (s *store) Touch(ctx context.Context, key string, expires time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	if e == nil || !e.live(s.now()) {
		return driver.ErrNotFound
	}
	sh.reschedule(e, expires.UnixMilli())
	return nil
}

func (s *store) Destroy(ctx context.Context, key string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	if e == nil {
		return driver.ErrNotFound
	}
	sh.remove(e)
	s.unreserve(1)
	if !e.live(s.now()) {
		return driver.ErrNotFound
	}
	return nil
}

// Sessions copies the keys of one shard at a time, and holds no lock across a yield.
func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.pages(ctx, (*shard).appendKeys)
}

func (s *store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.pages(ctx, func(sh *shard, now time.Time, keys []string) []string {
		return sh.appendKeysOf(subject, now, keys)
	})
}

func (s *store) pages(ctx context.Context, page func(*shard, time.Time, []string) []string) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		var keys []string
		for i := range s.shards {
			err := s.usable(ctx)
			if err == nil {
				keys = page(&s.shards[i], s.now(), keys[:0])
			}
			if !yield(keys, err) {
				return
			}
		}
	})
}

// DestroySubject locks all shards at once. With one lock at a time, ChangeID could move a session
// from a later shard to an earlier one meanwhile, and the session would survive.
func (s *store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	for i := range s.shards {
		s.shards[i].mu.Lock()
		defer s.shards[i].mu.Unlock()
	}
	for i := range s.shards {
		sh := &s.shards[i]
		for e := range sh.subjects[subject] {
			if !slices.Contains(except, e.key) {
				sh.remove(e)
				s.unreserve(1)
			}
		}
	}
	return nil
}

func (s *store) DeleteExpired(ctx context.Context) (int, error) {
	deleted := 0
	for i := range s.shards {
		for {
			if err := s.usable(ctx); err != nil {
				return deleted, err
			}
			n := s.deleteExpired(&s.shards[i], s.now())
			deleted += n
			runtime.Gosched() // so that requests do not wait until the scheduler preempts the sweep
			if n < sweepBatch {
				break
			}
		}
	}
	return deleted, nil
}

func (s *store) Ping(ctx context.Context) error { return s.usable(ctx) }

// Loses implements [driver.Lossy].
func (s *store) Loses() string {
	return "sessions in the memory of a process are lost when the process ends"
}

func (s *store) Close() error {
	if !s.closed.Swap(true) {
		s.release()
	}
	return nil
}
