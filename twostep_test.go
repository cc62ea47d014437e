package session_test

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/sessiontest"
)

// inSteps is a store that changes an ID in the three steps of [driver.RenameTracker] and can fail
// after each of them. It lists no pending copy, not even one to which a mark leads, so that a test
// notices if the copy stays pending.
type inSteps struct {
	mu        sync.Mutex // guards what follows
	recs      map[string]*driver.Record
	pending   map[string]bool
	marks     map[string]string
	version   uint64
	stopsAt   int // the step of the next ChangeID after which the answer is lost; 0 means none
	inBetween func(step int)
}

func newInSteps() *inSteps {
	return &inSteps{recs: map[string]*driver.Record{}, pending: map[string]bool{}, marks: map[string]string{}}
}

func copyOf(r *driver.Record) *driver.Record {
	c := *r
	c.Data, c.Meta = bytes.Clone(r.Data), bytes.Clone(r.Meta)
	return &c
}

func (s *inSteps) putLocked(r *driver.Record) {
	s.version++
	r.Version = s.version
	s.recs[r.Key] = copyOf(r)
	delete(s.pending, r.Key)
}

func (s *inSteps) Create(ctx context.Context, r *driver.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recs[r.Key] != nil || s.marks[r.Key] != "" {
		return driver.ErrExists
	}
	s.putLocked(r)
	return ctx.Err()
}

func (s *inSteps) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recs[key] == nil {
		return nil, driver.ErrNotFound
	}
	return copyOf(s.recs[key]), ctx.Err()
}

func (s *inSteps) Flush(ctx context.Context, r *driver.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old := s.recs[r.Key]; {
	case old == nil:
		return driver.ErrNotFound
	case old.Version != r.Version:
		return driver.ErrConflict
	}
	s.putLocked(r)
	return ctx.Err()
}

func (s *inSteps) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	for i, step := range []func() error{
		func() error {
			if s.recs[oldKey] == nil {
				return driver.ErrNotFound
			}
			if s.recs[oldKey].Version != r.Version {
				return driver.ErrConflict
			}
			if s.recs[r.Key] != nil || s.marks[r.Key] != "" {
				return driver.ErrExists
			}
			c := copyOf(r)
			s.putLocked(c)
			s.pending[r.Key] = true
			return nil
		},
		func() error {
			if old := s.recs[oldKey]; old == nil || old.Version != r.Version {
				delete(s.recs, r.Key)
				if old == nil {
					return driver.ErrNotFound
				}
				return driver.ErrConflict
			}
			delete(s.recs, oldKey)
			s.marks[oldKey] = r.Key
			return nil
		},
		func() error {
			if s.recs[r.Key] != nil && s.pending[r.Key] {
				s.putLocked(r)
			}
			return nil
		},
	} {
		s.mu.Lock()
		err := step()
		stops := s.stopsAt == i+1
		if stops {
			s.stopsAt = 0
		}
		then := s.inBetween
		s.mu.Unlock()
		if err != nil {
			return err
		}
		if then != nil {
			then(i + 1)
		}
		if stops {
			return sessiontest.ErrOutage
		}
	}
	return nil
}

func (s *inSteps) Destroy(ctx context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recs[key] == nil {
		return driver.ErrNotFound
	}
	delete(s.recs, key)
	delete(s.pending, key)
	return ctx.Err()
}

func (s *inSteps) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks[key] == "" || s.recs[key] != nil {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: s.marks[key], Age: time.Millisecond}, ctx.Err()
}

func (s *inSteps) list(keep func(*driver.Record) bool) iter.Seq2[string, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key, r := range s.recs {
		if !s.pending[key] && keep(r) {
			keys = append(keys, key)
		}
	}
	return func(yield func(string, error) bool) {
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (s *inSteps) Sessions(context.Context) iter.Seq2[string, error] {
	return s.list(func(*driver.Record) bool { return true })
}

func (s *inSteps) SubjectSessions(_ context.Context, subject string) iter.Seq2[string, error] {
	return s.list(func(r *driver.Record) bool { return r.Subject == subject })
}

func (s *inSteps) DeleteExpired(context.Context) (int, error) { return 0, nil }
func (s *inSteps) Close() error                               { return nil }

func (s *inSteps) ids() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for key := range s.recs {
		if len(key) == 43 {
			n++
		}
	}
	return n
}

// After a lost answer of ChangeID there is one session under one ID, whichever step was the last, and
// it is listed, so that it counts and can be ended.
func TestTwoStepLostAnswer(t *testing.T) {
	ctx := t.Context()
	for step := 1; step <= 3; step++ {
		for _, max := range []int{0, 1} {
			for what, meanwhile := range map[string]func(f *session.Factory, other *session.Session){
				"nothing":    func(*session.Factory, *session.Session) {},
				"write":      func(_ *session.Factory, o *session.Session) { _ = o.Set("other", 1); _ = o.Flush(ctx) },
				"sign-out":   func(_ *session.Factory, o *session.Session) { require.NoError(t, o.Destroy(ctx)) },
				"everywhere": func(f *session.Factory, o *session.Session) { require.NoError(t, f.DestroySubject(ctx, "ada")) },
			} {
				st := newInSteps()
				f := factory(t, quiet(session.Config{MaxPerSubject: max}), st)
				s := stored(t, f, map[string]any{"n": 0})
				other := same(t, f, s)
				old := s.ID()
				require.NoError(t, increment(s))
				require.NoError(t, s.SignIn(ctx, "ada"))
				st.stopsAt = step
				st.inBetween = func(at int) {
					if at == step {
						st.inBetween = nil
						meanwhile(f, other)
					}
				}
				err := s.Flush(ctx)
				if what == "everywhere" {
					require.ErrorIs(t, err, session.ErrStaleSignIn)
					require.Empty(t, ofSubject(t, f, "ada"))
					continue
				}
				require.NoError(t, err, "step %d, max %d, %s", step, max, what)
				require.Equal(t, []string{s.Handle()}, ofSubject(t, f, "ada"), "step %d, max %d, %s", step, max, what)
				require.Equal(t, 1, st.ids(), "step %d, max %d, %s: no copy is left", step, max, what)
				require.Equal(t, 1, got[int](t, same(t, f, s), "n"))
				_, err = f.Retrieve(ctx, old)
				require.ErrorIs(t, err, session.ErrNotFound)
				if what == "write" && step == 1 {
					require.True(t, same(t, f, s).Has("other"))
				}
			}
		}
	}
}

// If there is a copy under the new key and the old record lives, the ID has not changed.
func TestCopyProvesNothing(t *testing.T) {
	ctx := t.Context()
	st := newInSteps()
	f := factory(t, quiet(session.Config{}), st)
	s := stored(t, f, map[string]any{"n": 0})
	old := s.ID()
	st.stopsAt = 1
	require.NoError(t, s.ChangeID(ctx))
	require.NotEqual(t, old, s.ID())
	_, err := f.Retrieve(ctx, old)
	require.ErrorIs(t, err, session.ErrNotFound, "the old ID must not live beside the new one")
	require.Equal(t, 1, st.ids())
}
