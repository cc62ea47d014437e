package memcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// idChange runs ChangeID of a session against other calls.
type idChange struct {
	t       *testing.T
	x       *explorer
	watcher *Store // connected to the server directly
	subject string
	n       int            // sessions so far
	old     string         // key
	new     string         // key
	first   *driver.Record // as retrieved before the calls
}

func newIDChange(t *testing.T, actors, faults int) *idChange {
	server := testserver.StartMemcached(t).Addr
	return &idChange{t: t, x: newExplorer(t, server, actors, faults), watcher: open(t, server)}
}

// begin stores a new session.
func (b *idChange) begin() {
	b.n++
	b.old, b.new = fmt.Sprint("old", b.n), fmt.Sprint("new", b.n)
	r := record(b.old, time.Hour)
	r.Subject = b.subject
	require.NoError(b.t, b.watcher.Create(b.t.Context(), r))
	var err error
	b.first, err = b.watcher.Retrieve(b.t.Context(), b.old)
	require.NoError(b.t, err)
}

// changeID returns a ChangeID to that key.
func (b *idChange) changeID(key string) call {
	r := *b.first
	r.Key = key
	return func(ctx context.Context, s *Store) error { return s.ChangeID(ctx, b.old, &r) }
}

// found returns the live record or live mark under a key, or nil.
func (b *idChange) found(key string) *entry {
	e, err := b.watcher.get(b.t.Context(), key)
	if err != nil {
		require.ErrorIs(b.t, err, driver.ErrNotFound)
	}
	if err != nil && !e.isLiveMark() {
		return nil
	}
	return e
}

// alive reports whether key holds a live record or a pending copy.
func (b *idChange) alive(key string) bool {
	e := b.found(key)
	return e != nil && e.kind != isMark
}

// isDefinite reports whether the outcome of a call with that error is known.
func isDefinite(err error) bool {
	return err == nil || rejected(err) || errors.Is(err, driver.ErrExists)
}

// consistent checks what holds after every schedule: if ChangeID returned nil, a mark leads to the
// new key; if it returned a definite error, there is neither a mark nor a copy; and a copy is not
// listed beside the session.
func (b *idChange) consistent(changed error, key, trace string) {
	b.t.Helper()
	old, new := b.found(b.old), b.found(key)
	moved := old.isLiveMark() && old.mark.to == key
	if changed == nil {
		require.True(b.t, moved, "ChangeID() = nil without a mark: %s", trace)
	}
	if changed != nil && isDefinite(changed) {
		require.False(b.t, moved, "ChangeID() = %v with a mark: %s", changed, trace)
		require.Nil(b.t, new, "ChangeID() = %v with a copy: %s", changed, trace)
	}
	if new != nil && !moved {
		require.Equal(b.t, isPending, new.kind, "a copy is listed beside the session: %s", trace)
	}
}

// signOut ends the session as package session does: it follows marks.
func (b *idChange) signOut(ctx context.Context, s *Store) error {
	key := b.old
	for {
		err := s.Destroy(ctx, key)
		if !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		rename, err := s.Renamed(ctx, key)
		if err != nil {
			return err
		}
		key = rename.To
	}
}

// A sign-out during ChangeID finds the session and ends it, in every order of their commands and
// with up to two faults.
func TestDestroyAgainstChangeID(t *testing.T) {
	for faults := range 3 {
		b := newIDChange(t, 2, faults)
		n := b.x.explore(func() []call {
			b.begin()
			return []call{b.changeID(b.new), b.signOut}
		}, func(errs []error, trace string) {
			b.consistent(errs[0], b.new, trace)
			b.signedOut(errs, trace)
			if faults == 0 {
				require.NoError(t, errs[1], trace)
				require.True(t, isDefinite(errs[0]), "ChangeID() = %v, want a definite answer: %s", errs[0], trace)
			}
		})
		t.Logf("%d schedules with %d faults", n, faults)
	}
}

// A sign-out ends the session also if ChangeID is retried after a fault, so that an add may arrive
// after all other commands.
func TestDestroyAgainstRetriedChangeID(t *testing.T) {
	b := newIDChange(t, 2, 1)
	b.x.survive = true
	setup := func() []call {
		b.begin()
		return []call{b.retryChangeID, b.signOut}
	}
	if !testing.Short() { // takes about 10 s
		n := b.x.explore(setup, b.signedOut)
		t.Logf("%d schedules with 1 fault", n)
	}
	b.x.faults = 3
	n := b.x.sample(sampleTime(t), setup, b.signedOut)
	t.Logf("%d random schedules with 3 faults", n)
}

// sampleTime returns how long a test runs random schedules.
func sampleTime(t *testing.T) time.Duration {
	d, err := time.ParseDuration(cmp.Or(os.Getenv("DRIVERTEST_HISTORIES"), "2s"))
	require.NoError(t, err)
	return d
}

// signedOut checks that a successful sign-out has ended the session. If the outcome of ChangeID is
// not known, a copy may remain that no mark leads to, and whose ID no client knows.
func (b *idChange) signedOut(errs []error, trace string) {
	b.t.Helper()
	require.NotErrorIs(b.t, errs[1], driver.ErrNotFound, "sign-out did not find the session: %s", trace)
	if errs[1] != nil {
		return
	}
	require.False(b.t, b.alive(b.old), "the session is alive: %s", trace)
	if b.found(b.old).isLiveMark() || isDefinite(errs[0]) {
		require.False(b.t, b.alive(b.new), "the session is alive under its new key: %s", trace)
	}
}

// DestroySubject during ChangeID ends the session and its pending copy, also if a process dies.
func TestDestroySubjectAgainstChangeID(t *testing.T) {
	for faults := range 2 {
		b := newIDChange(t, 2, faults)
		b.subject = "ada"
		n := b.x.explore(func() []call {
			b.begin()
			return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error { return s.DestroySubject(ctx, "ada") }}
		}, func(errs []error, trace string) {
			if errs[1] == nil {
				require.False(t, b.alive(b.old) || b.alive(b.new), "the session is alive: %s", trace)
			}
			if faults == 0 {
				require.NoError(t, errs[1], trace)
			}
		})
		t.Logf("%d schedules with %d faults", n, faults)
	}
}

// DestroySubject ends the session and its pending copy also if ChangeID is retried.
func TestDestroySubjectAgainstRetriedChangeID(t *testing.T) {
	b := newIDChange(t, 2, 1)
	b.x.survive, b.subject = true, "ada"
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.retryChangeID, func(ctx context.Context, s *Store) error { return s.DestroySubject(ctx, "ada") }}
	}, func(errs []error, trace string) {
		if errs[1] == nil {
			require.False(t, b.alive(b.old) || b.alive(b.new), "the session is alive: %s", trace)
		}
	})
	t.Logf("%d schedules", n)
}

// If the server evicts the copy before the session has moved to it, the session stays under its old
// key.
func TestCopyEvictedBeforeTheMark(t *testing.T) {
	b := newIDChange(t, 1, 0)
	b.begin()
	g := b.x.gates[0]
	g.judge(func(command string) verdict {
		if command == "gets "+b.x.stores[0].recordKey(b.new) {
			_, _ = execute(g.server, []byte("delete "+b.x.stores[0].recordKey(b.new)+"\r\n"))
		}
		return pass
	})
	require.ErrorIs(t, b.changeID(b.new)(t.Context(), b.x.stores[0]), errCopyLost)
	require.True(t, b.alive(b.old))
	g.open()
	require.NoError(t, b.changeID(b.new)(t.Context(), b.x.stores[0]))
}

// Of a Flush and a ChangeID of the same version, at most one succeeds.
func TestFlushAgainstChangeID(t *testing.T) {
	b := newIDChange(t, 2, 1)
	n := b.x.explore(func() []call {
		b.begin()
		r := *b.first
		r.Data = []byte("flushed")
		return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error { return s.Flush(ctx, &r) }}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		require.False(t, errs[0] == nil && errs[1] == nil, "both succeeded: %s", trace)
		require.True(t, b.alive(b.old) || b.found(b.old).isLiveMark() && b.alive(b.new), "the session is lost: %s", trace)
	})
	t.Logf("%d schedules", n)
}

// A Touch during ChangeID loses no session.
func TestTouchAgainstChangeID(t *testing.T) {
	b := newIDChange(t, 2, 1)
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error {
			return s.Touch(ctx, b.old, b.first.Expires.Add(time.Hour))
		}}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		require.True(t, b.alive(b.old) || b.found(b.old).isLiveMark() && b.alive(b.new), "the session is lost: %s", trace)
	})
	t.Logf("%d schedules", n)
}

// Of two ChangeIDs at most one succeeds, and the session is not lost.
func TestChangeIDAgainstChangeID(t *testing.T) {
	b := newIDChange(t, 2, 1)
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.changeID(b.new), b.changeID(b.new + "-other")}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		b.consistent(errs[1], b.new+"-other", trace)
		old := b.found(b.old)
		require.NotNil(t, old, "the session is lost: %s", trace)
		require.True(t, old.kind == isRecord || b.alive(old.mark.to), "the session is lost: %s", trace)
	})
	t.Logf("%d schedules", n)
}

// A caller that does not know the outcome of ChangeID reads the mark and retries with the same new
// key, as package session does. Up to two faults, late commands included, lose no session.
func TestRetriedChangeID(t *testing.T) {
	b := newIDChange(t, 1, 2)
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.retryChangeID}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		old := b.found(b.old)
		require.NotNil(t, old, "the session is lost: %s", trace)
		require.True(t, old.kind == isRecord || b.alive(old.mark.to), "the session is lost: %s", trace)
		if !errors.Is(errs[0], errDied) {
			require.NoError(t, errs[0], trace)
		}
	})
	t.Logf("%d schedules", n)
}

// retryChangeID retries ChangeID until its outcome is known.
func (b *idChange) retryChangeID(ctx context.Context, s *Store) error {
	for {
		err := b.changeID(b.new)(ctx, s)
		if isDefinite(err) || ctx.Err() != nil {
			return err
		}
		rename, err := s.Renamed(ctx, b.old)
		if err == nil && rename.To == b.new {
			return nil
		}
	}
}
