package explore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// TwoStep is a store in memory that can change only one record at a time, like memcached. It
// renames in the three steps that [driver.RenameTracker] describes. Used through
// [Execution.Store], each step waits at a gate of its own. The zero TwoStep is ready to use.
type TwoStep struct {
	// Now is the clock by which records expire; nil means [time.Now].
	Now func() time.Time

	// ListsRenamed: listings yield a pending copy if its old key has a mark that leads to it.
	ListsRenamed bool

	// ListsPending: listings yield all pending copies. This is a fault.
	ListsPending bool

	mu      sync.Mutex // guards the fields below
	cells   map[string]*cell
	version uint64
}

var (
	_ driver.Store            = (*TwoStep)(nil)
	_ driver.Toucher          = (*TwoStep)(nil)
	_ driver.Pinger           = (*TwoStep)(nil)
	_ driver.SubjectLister    = (*TwoStep)(nil)
	_ driver.SubjectDestroyer = (*TwoStep)(nil)
	_ driver.RenameTracker    = (*TwoStep)(nil)
	_ driver.Lossy            = (*TwoStep)(nil)
)

// cell is the content of a key: a record, or, if to is set, the mark of a rename.
type cell struct {
	record  driver.Record
	pending string // the old key, if the record is a copy whose rename is not complete
	to      string // the new key
	at      time.Time
}

func (c *cell) live() bool { return c != nil && c.to == "" }

func (s *TwoStep) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// atLocked returns the content of key, or nil.
func (s *TwoStep) atLocked(key string) *cell {
	c := s.cells[key]
	switch {
	case c == nil:
		return nil
	case c.to != "" && s.now().Sub(c.at) < driver.MarkLifetime, c.to == "" && s.now().Before(c.record.Expires):
		return c
	}
	delete(s.cells, key)
	return nil
}

func (s *TwoStep) putLocked(key string, c *cell) {
	if s.cells == nil {
		s.cells = map[string]*cell{}
	}
	s.version++
	c.record.Version = s.version
	s.cells[key] = c
}

func clone(r *driver.Record) driver.Record {
	c := *r
	c.Data, c.Meta = slices.Clone(r.Data), slices.Clone(r.Meta)
	return c
}

// add stores a record under a key that must be free.
func (s *TwoStep) add(ctx context.Context, r *driver.Record, pending string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.atLocked(r.Key) != nil {
		return driver.ErrExists
	}
	c := &cell{record: clone(r), pending: pending}
	s.putLocked(r.Key, c)
	r.Version = c.record.Version
	return nil
}

// swap replaces the record under key with the result of makes, if the record has the given
// version.
func (s *TwoStep) swap(ctx context.Context, key string, version uint64, makes func(old *cell) *cell) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	old := s.atLocked(key)
	switch {
	case !old.live():
		return driver.ErrNotFound
	case old.record.Version != version:
		return driver.ErrConflict
	}
	s.putLocked(key, makes(old))
	return nil
}

// Create implements [driver.Store].
func (s *TwoStep) Create(ctx context.Context, r *driver.Record) error { return s.add(ctx, r, "") }

// Retrieve implements [driver.Store].
func (s *TwoStep) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c := s.atLocked(key)
	if !c.live() {
		return nil, driver.ErrNotFound
	}
	r := clone(&c.record)
	return &r, nil
}

// Flush implements [driver.Store].
func (s *TwoStep) Flush(ctx context.Context, r *driver.Record) error {
	next := &cell{record: clone(r)}
	err := s.swap(ctx, r.Key, r.Version, func(old *cell) *cell {
		next.record.Created = old.record.Created
		return next
	})
	if err == nil {
		r.Version = next.record.Version
	}
	return err
}

// Touch implements [driver.Toucher].
func (s *TwoStep) Touch(ctx context.Context, key string, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c := s.atLocked(key)
	if !c.live() {
		return driver.ErrNotFound
	}
	c.record.Expires, c.pending = expires, ""
	return nil
}

// ChangeID implements [driver.Store].
func (s *TwoStep) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.rename(ctx, oldKey, r, func(ctx context.Context, _ Call, do func(context.Context) error) error {
		return do(ctx)
	})
}

// rename adds a copy under the new key, replaces the old record with a mark, and completes the
// copy. It calls step for each of the three.
func (s *TwoStep) rename(ctx context.Context, oldKey string, r *driver.Record, step stepFunc) error {
	version := r.Version
	copied := clone(r)
	err := step(ctx, Call{"ChangeID: add copy", []string{r.Key}, true}, func(ctx context.Context) error {
		return s.add(ctx, &copied, oldKey)
	})
	if errors.Is(err, driver.ErrExists) {
		return s.judge(ctx, oldKey, version, step)
	}
	if err != nil {
		return err
	}
	err = step(ctx, Call{"ChangeID: mark old", []string{oldKey}, true}, func(ctx context.Context) error {
		return s.swap(ctx, oldKey, version, func(old *cell) *cell { return &cell{to: r.Key, at: s.now()} })
	})
	if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
		return errors.Join(err, step(ctx, Call{"ChangeID: remove copy", []string{r.Key}, true}, func(ctx context.Context) error {
			s.removePending(r.Key)
			return ctx.Err()
		}))
	}
	if err != nil {
		return err // the mark may have been stored, so the copy must stay
	}
	r.Version = copied.Version
	return step(ctx, Call{"ChangeID: complete copy", []string{r.Key}, true}, func(ctx context.Context) error {
		s.complete(r.Key)
		return ctx.Err()
	})
}

// judge returns the error of a ChangeID whose new key is not free.
func (s *TwoStep) judge(ctx context.Context, oldKey string, version uint64, step stepFunc) error {
	return step(ctx, Call{"ChangeID: look", []string{oldKey}, false}, func(ctx context.Context) error {
		old, err := s.Retrieve(ctx, oldKey)
		switch {
		case err != nil:
			return err
		case old.Version != version:
			return driver.ErrConflict
		}
		return driver.ErrExists
	})
}

func (s *TwoStep) removePending(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.atLocked(key); c.live() && c.pending != "" {
		delete(s.cells, key)
	}
}

// complete completes a copy, unless it has ended or been renamed meanwhile.
func (s *TwoStep) complete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.atLocked(key); c.live() {
		c.pending = ""
	}
}

// Destroy implements [driver.Store].
func (s *TwoStep) Destroy(ctx context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !s.atLocked(key).live() {
		return driver.ErrNotFound
	}
	delete(s.cells, key)
	return nil
}

// Sessions implements [driver.Store].
func (s *TwoStep) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, func(*cell) bool { return true })
}

// SubjectSessions implements [driver.SubjectLister].
func (s *TwoStep) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, func(c *cell) bool { return c.record.Subject == subject })
}

func (s *TwoStep) list(ctx context.Context, wanted func(*cell) bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, key := range s.keys(wanted) {
			if ctx.Err() != nil {
				yield("", ctx.Err())
				return
			}
			if !yield(key, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield("", ctx.Err())
		}
	}
}

func (s *TwoStep) keys(wanted func(*cell) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.cells {
		if c := s.atLocked(key); c.live() && s.listedLocked(c) && wanted(c) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (s *TwoStep) listedLocked(c *cell) bool {
	if c.pending == "" || s.ListsPending {
		return true
	}
	old := s.atLocked(c.pending)
	return s.ListsRenamed && old != nil && old.to == c.record.Key
}

// DestroySubject implements [driver.SubjectDestroyer]. It ends pending copies too.
func (s *TwoStep) DestroySubject(ctx context.Context, subject string, except ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for key, c := range s.cells {
		if c.live() && c.record.Subject == subject && !slices.Contains(except, key) {
			delete(s.cells, key)
		}
	}
	return nil
}

// Renamed implements [driver.RenameTracker].
func (s *TwoStep) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return driver.Rename{}, ctx.Err()
	}
	c := s.atLocked(key)
	if c == nil || c.live() {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: c.to, Age: s.now().Sub(c.at)}, nil
}

// DeleteExpired implements [driver.Store]. The other methods delete expired records themselves.
func (s *TwoStep) DeleteExpired(ctx context.Context) (int, error) { return 0, ctx.Err() }

// Ping implements [driver.Pinger].
func (s *TwoStep) Ping(ctx context.Context) error { return ctx.Err() }

// Loses implements [driver.Lossy].
func (s *TwoStep) Loses() string { return "the memory of a process ends with the process" }

// Close implements [driver.Store].
func (s *TwoStep) Close() error { return nil }
