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

// between is a session, while its ID changes.
type between struct {
	t       *testing.T
	x       *explorer
	watcher *Store
	subject string
	n       int
	old     string
	new     string
	first   *driver.Record // as it was retrieved
}

func newBetween(t *testing.T, actors, faults int) *between {
	server := testserver.StartMemcached(t).Addr
	return &between{t: t, x: newExplorer(t, server, actors, faults), watcher: open(t, server)}
}

// begin stores the session.
func (b *between) begin() {
	b.n++
	b.old, b.new = fmt.Sprint("old", b.n), fmt.Sprint("new", b.n)
	r := record(b.old, time.Hour)
	r.Subject = b.subject
	require.NoError(b.t, b.watcher.Create(b.t.Context(), r))
	var err error
	b.first, err = b.watcher.Retrieve(b.t.Context(), b.old)
	require.NoError(b.t, err)
}

// changeID changes the ID to that of key.
func (b *between) changeID(key string) call {
	r := *b.first
	r.Key = key
	return func(ctx context.Context, s *Store) error { return s.ChangeID(ctx, b.old, &r) }
}

// found is what the watcher finds under a key.
func (b *between) found(key string) *entry {
	e, err := b.watcher.get(b.t.Context(), key)
	if err != nil {
		require.ErrorIs(b.t, err, driver.ErrNotFound)
	}
	if err != nil && !e.marked() {
		return nil
	}
	return e
}

// alive reports whether a live record is under key, pending copies included.
func (b *between) alive(key string) bool {
	e := b.found(key)
	return e != nil && e.kind != isMark
}

func isAnswer(err error) bool {
	return err == nil || rejected(err) || errors.Is(err, driver.ErrExists)
}

// consistent checks what holds whatever has happened: a mark leads to the new key, a
// process that was told that the ID has changed or has not is right, and nothing is
// listed twice.
func (b *between) consistent(changed error, key, trace string) {
	b.t.Helper()
	old, new := b.found(b.old), b.found(key)
	moved := old.marked() && old.mark.to == key
	if changed == nil {
		require.True(b.t, moved, "ChangeID() = nil, and no mark: %s", trace)
	}
	if changed != nil && isAnswer(changed) {
		require.False(b.t, moved, "ChangeID() = %v, and a mark: %s", changed, trace)
		require.Nil(b.t, new, "ChangeID() = %v, and a copy: %s", changed, trace)
	}
	if new != nil && !moved {
		require.Equal(b.t, isPending, new.kind, "a copy is listed beside the session: %s", trace)
	}
}

// signOut is how package session ends a session: it follows marks.
func (b *between) signOut(ctx context.Context, s *Store) error {
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

// Whatever the order of their commands, and whatever fails once: a sign-out ends the
// session whose ID changes, and finds it.
func TestDestroyAgainstChangeID(t *testing.T) {
	for faults := range 3 {
		b := newBetween(t, 2, faults)
		n := b.x.explore(func() []call {
			b.begin()
			return []call{b.changeID(b.new), b.signOut}
		}, func(errs []error, trace string) {
			b.consistent(errs[0], b.new, trace)
			b.signedOut(errs, trace)
			if faults == 0 {
				require.NoError(t, errs[1], trace)
				require.True(t, isAnswer(errs[0]), "ChangeID() = %v: %s", errs[0], trace)
			}
		})
		t.Logf("%d schedules with %d faults", n, faults)
	}
}

// The same while the ID change is tried again after a fault, so that an add may arrive
// when all is over.
func TestDestroyAgainstChangeIDTriedAgain(t *testing.T) {
	b := newBetween(t, 2, 1)
	b.x.living = true
	setup := func() []call {
		b.begin()
		return []call{b.insist, b.signOut}
	}
	if !testing.Short() { // some 10 s
		n := b.x.explore(setup, b.signedOut)
		t.Logf("%d schedules with 1 fault", n)
	}
	b.x.faults = 3
	n := b.x.sample(sampleTime(t), setup, b.signedOut)
	t.Logf("%d random schedules with 3 faults", n)
}

// sampleTime is how long random schedules are played.
func sampleTime(t *testing.T) time.Duration {
	d, err := time.ParseDuration(cmp.Or(os.Getenv("DRIVERTEST_HISTORIES"), "2s"))
	require.NoError(t, err)
	return d
}

// signedOut checks that a sign-out that succeeded has ended the session. If the process
// that changes the ID was not told what has happened, a copy may live that no mark leads
// to, and whose ID nobody was told.
func (b *between) signedOut(errs []error, trace string) {
	b.t.Helper()
	require.NotErrorIs(b.t, errs[1], driver.ErrNotFound, "sign-out lost the session: %s", trace)
	if errs[1] != nil {
		return
	}
	require.False(b.t, b.alive(b.old), "the session lives: %s", trace)
	if b.found(b.old).marked() || isAnswer(errs[0]) {
		require.False(b.t, b.alive(b.new), "the session lives under its new key: %s", trace)
	}
}

// DestroySubject ends the session and its pending copy, whichever process has died.
func TestDestroySubjectAgainstChangeID(t *testing.T) {
	for faults := range 2 {
		b := newBetween(t, 2, faults)
		b.subject = "ada"
		n := b.x.explore(func() []call {
			b.begin()
			return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error { return s.DestroySubject(ctx, "ada") }}
		}, func(errs []error, trace string) {
			if errs[1] == nil {
				require.False(t, b.alive(b.old) || b.alive(b.new), "the session lives: %s", trace)
			}
			if faults == 0 {
				require.NoError(t, errs[1], trace)
			}
		})
		t.Logf("%d schedules with %d faults", n, faults)
	}
}

// The same for an ID change that is tried again.
func TestDestroySubjectAgainstChangeIDTriedAgain(t *testing.T) {
	b := newBetween(t, 2, 1)
	b.x.living, b.subject = true, "ada"
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.insist, func(ctx context.Context, s *Store) error { return s.DestroySubject(ctx, "ada") }}
	}, func(errs []error, trace string) {
		if errs[1] == nil {
			require.False(t, b.alive(b.old) || b.alive(b.new), "the session lives: %s", trace)
		}
	})
	t.Logf("%d schedules", n)
}

// A server that has evicted the copy before the session moves to it does not cost the
// session.
func TestCopyEvictedBeforeTheMark(t *testing.T) {
	b := newBetween(t, 1, 0)
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

// A write and an ID change, both on the version that was read: one happens.
func TestFlushAgainstChangeID(t *testing.T) {
	b := newBetween(t, 2, 1)
	n := b.x.explore(func() []call {
		b.begin()
		r := *b.first
		r.Data = []byte("flushed")
		return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error { return s.Flush(ctx, &r) }}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		require.False(t, errs[0] == nil && errs[1] == nil, "both happened: %s", trace)
		require.True(t, b.alive(b.old) || b.found(b.old).marked() && b.alive(b.new), "the session is lost: %s", trace)
	})
	t.Logf("%d schedules", n)
}

// A Touch keeps an ID change from happening, or finds nothing.
func TestTouchAgainstChangeID(t *testing.T) {
	b := newBetween(t, 2, 1)
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.changeID(b.new), func(ctx context.Context, s *Store) error {
			return s.Touch(ctx, b.old, b.first.Expires.Add(time.Hour))
		}}
	}, func(errs []error, trace string) {
		b.consistent(errs[0], b.new, trace)
		require.True(t, b.alive(b.old) || b.found(b.old).marked() && b.alive(b.new), "the session is lost: %s", trace)
	})
	t.Logf("%d schedules", n)
}

// Two ID changes: one happens, and the copy of the other is no more.
func TestChangeIDAgainstChangeID(t *testing.T) {
	b := newBetween(t, 2, 1)
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

// A caller that was not told what has become of an ID change looks at the old key, and
// tries again with the same new key, as package session does. Up to two faults of
// every kind, commands that arrive late included, lose no session.
func TestChangeIDTriedAgain(t *testing.T) {
	b := newBetween(t, 1, 2)
	n := b.x.explore(func() []call {
		b.begin()
		return []call{b.insist}
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

// insist changes the ID until it is told what has happened.
func (b *between) insist(ctx context.Context, s *Store) error {
	for {
		err := b.changeID(b.new)(ctx, s)
		if isAnswer(err) || ctx.Err() != nil {
			return err
		}
		rename, err := s.Renamed(ctx, b.old)
		if err == nil && rename.To == b.new {
			return nil
		}
	}
}
