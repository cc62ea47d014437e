package move_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/subjectmark"
)

func rename(t *testing.T, s driver.Store, from, to string) {
	t.Helper()
	r, err := s.Retrieve(t.Context(), from)
	require.NoError(t, err)
	r.Key = to
	require.NoError(t, s.ChangeID(t.Context(), from, r))
}

// At every stage of a migration, a process knows the renames of processes at every other stage.
func TestMarks(t *testing.T) {
	for renamer, renaming := range stages {
		for other, look := range stages {
			t.Run(renamer+" "+other, func(t *testing.T) {
				ctx := t.Context()
				to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
				require.NoError(t, from.Create(ctx, newRecord(oldKey, before)))
				rename(t, renaming(to, from), oldKey, newKey)

				s := look(to, from)
				isMarked := func() {
					t.Helper()
					mark, err := s.(driver.RenameTracker).Renamed(ctx, oldKey)
					require.NoError(t, err)
					require.Equal(t, newKey, mark.To)
				}
				isMarked()
				_, err := s.(driver.RenameTracker).Renamed(ctx, newKey)
				require.ErrorIs(t, err, driver.ErrNotFound, "the session is alive under its new key")
				_, err = s.(driver.RenameTracker).Renamed(ctx, "unknown")
				require.ErrorIs(t, err, driver.ErrNotFound)

				require.ErrorIs(t, s.Destroy(ctx, oldKey), driver.ErrNotFound)
				require.ErrorIs(t, s.Create(ctx, newRecord(oldKey, before)), driver.ErrExists)
				require.NoError(t, s.Create(ctx, newRecord("another", before)))
				r, err := s.Retrieve(ctx, "another")
				require.NoError(t, err)
				r.Key = oldKey
				require.ErrorIs(t, s.ChangeID(ctx, "another", r), driver.ErrExists)
				r.Key = "another"
				require.NoError(t, s.Flush(ctx, r), "nothing has changed")
				require.ElementsMatch(t, []string{newKey, "another"}, listed(t, s))
				isMarked()
				for _, store := range []driver.Store{to, from} {
					_, err := store.Retrieve(ctx, oldKey)
					require.ErrorIs(t, err, driver.ErrNotFound, "there is no grave beside a mark")
				}

				rename(t, s, newKey, "newest")
				isMarked()
				mark, err := s.(driver.RenameTracker).Renamed(ctx, newKey)
				require.NoError(t, err)
				require.Equal(t, "newest", mark.To)
			})
		}
	}
}

// A pair tracks renames only if both stores do.
func TestMarksUnsupported(t *testing.T) {
	marks, none := memory.New(memory.Options{}), unmarking{memory.New(memory.Options{})}
	pass := func(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) }
	wrapped := intercept.New(none, pass)
	for _, s := range []*move.Store{
		move.New(marks, none), move.New(none, marks), move.New(wrapped, marks), move.New(marks, move.New(marks, none)),
	} {
		_, err := s.Renamed(t.Context(), oldKey)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err := move.New(intercept.New(marks, pass), move.New(marks, marks)).Renamed(t.Context(), oldKey)
	require.ErrorIs(t, err, driver.ErrNotFound)

	// A store that keeps no marks needs a grave under the old key.
	s := move.New(wrapped, marks)
	require.NoError(t, s.Create(t.Context(), newRecord(oldKey, before)))
	rename(t, s, oldKey, newKey)
	r, err := none.Retrieve(t.Context(), oldKey)
	require.NoError(t, err)
	require.True(t, move.IsGrave(r))
}

func TestLoses(t *testing.T) {
	lossy, safe := memory.New(memory.Options{}), unmarking{memory.New(memory.Options{})}
	require.Contains(t, move.New(lossy, safe).Loses(), "new: ")
	require.Contains(t, move.New(safe, lossy).Loses(), "old: ")
	require.Contains(t, move.New(lossy, lossy).Loses(), "; old: ")
	require.Empty(t, move.New(safe, safe).Loses())
}

// Renamed returns the outage of a store, and not an answer.
func TestRenamedFails(t *testing.T) {
	for i := range 3 {
		calls := 0
		fail := func(ctx context.Context, call string, do func(context.Context) error) error {
			if calls++; call == "Renamed" && calls > i {
				return errOutage
			}
			return do(ctx)
		}
		s := move.New(intercept.New(memory.New(memory.Options{}), fail), intercept.New(memory.New(memory.Options{}), fail))
		_, err := s.Renamed(t.Context(), oldKey)
		require.ErrorIs(t, err, errOutage)
	}
}

// Renamed finds the mark of a record that moves and is renamed during the call.
func TestRenamedMeanwhile(t *testing.T) {
	to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
	once := true
	looked := intercept.New(to, func(ctx context.Context, _ string, do func(context.Context) error) error {
		err := do(ctx)
		if once {
			once = false
			rename(t, move.New(to, from), oldKey, newKey)
		}
		return err
	})
	mark, err := move.New(looked, from).Renamed(t.Context(), oldKey)
	require.NoError(t, err)
	require.Equal(t, newKey, mark.To)
}

// A session can be renamed to a key with a grave.
func TestRenameOntoGrave(t *testing.T) {
	to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
	s := move.New(to, from)
	for _, key := range []string{oldKey, newKey} {
		require.NoError(t, s.Create(t.Context(), newRecord(key, before)))
	}
	require.NoError(t, s.Destroy(t.Context(), newKey))
	r, err := to.Retrieve(t.Context(), newKey)
	require.NoError(t, err)
	require.True(t, move.IsGrave(r))
	rename(t, s, oldKey, newKey)
	require.Equal(t, []string{newKey}, listed(t, s))
	mark, err := s.Renamed(t.Context(), oldKey)
	require.NoError(t, err)
	require.Equal(t, newKey, mark.To)
}

// A record that a dead process has left in the old store is gone before the mark expires.
func TestNothingIsLeftBehindMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
		require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
		starts["in both"](t, to, from)
		s := move.New(to, from)
		rename(t, s, oldKey, newKey)
		time.Sleep(driver.MarkLifetime + time.Minute)
		require.Equal(t, []string{newKey}, listed(t, s))
	})
}

// A process that has read the frozen record and is then suspended until the mark has expired does
// not bring the old key back, even without a deadline.
func TestSuspendedLongerThanMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
		require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
		starts["frozen"](t, to, from)
		slow := intercept.New(from, func(ctx context.Context, call string, do func(context.Context) error) error {
			err := do(ctx)
			rename(t, move.New(to, from), oldKey, newKey)
			time.Sleep(driver.MarkLifetime + time.Minute)
			return err
		})
		_, err := move.New(to, slow).Retrieve(t.Context(), oldKey)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{newKey}, listed(t, move.New(to, from)))
	})
}

// The mark of a subject is a record like any other, and moves.
func TestSubjectMarkMoves(t *testing.T) {
	ctx := t.Context()
	to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
	write := func(s driver.Store) uint64 {
		t.Helper()
		was, err := subjectmark.Read(ctx, s, "ada")
		require.NoError(t, err)
		require.NoError(t, subjectmark.Write(ctx, s, "ada", time.Now(), time.Now().Add(subjectmark.Lifetime)))
		number, err := subjectmark.Read(ctx, s, "ada")
		require.NoError(t, err)
		require.NotEqual(t, was, number)
		return number
	}
	write(from)
	want := write(move.Prepare(to, from))
	s := move.New(to, from)
	for key, err := range from.Sessions(ctx) {
		require.NoError(t, err)
		moved, err := s.Move(ctx, key)
		require.NoError(t, err)
		require.True(t, moved)
	}
	got, err := subjectmark.Read(ctx, to, "ada")
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, s.DestroySubject(ctx, "ada"))
	for _, stage := range []driver.Store{s, move.Prepare(to, from), to} {
		got, err = subjectmark.Read(ctx, stage, "ada")
		require.NoError(t, err)
		require.Equal(t, want, got, "DestroySubject does not end the mark, which has no subject")
		want = write(stage)
	}
}
