package move_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
)

var errOutage = errors.New("connection refused")

// faulty is a store in memory whose calls can be made to fail.
type faulty struct {
	driver.Store
	create   func(*driver.Record) error
	retrieve func(key string) error
	flush    func(*driver.Record) error
	destroy  func(key string) error
}

func newFaulty() *faulty { return &faulty{Store: memory.New(memory.Options{})} }

func (f *faulty) Create(ctx context.Context, r *driver.Record) error {
	if f.create != nil {
		if err := f.create(r); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx) // a store may notice the end of its context too late
	}
	return f.Store.Create(ctx, r)
}

func (f *faulty) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if f.retrieve != nil {
		if err := f.retrieve(key); err != nil {
			return nil, err
		}
	}
	return f.Store.Retrieve(ctx, key)
}

func (f *faulty) Flush(ctx context.Context, r *driver.Record) error {
	if f.flush != nil {
		if err := f.flush(r); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx) // the context may end while the call is under way
	}
	return f.Store.Flush(ctx, r)
}

func (f *faulty) Destroy(ctx context.Context, key string) error {
	if f.destroy != nil {
		if err := f.destroy(key); err != nil {
			return err
		}
	}
	return f.Store.Destroy(ctx, key)
}

// A session that the new store can't hold stays in the old one, where it can be used.
func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	to, from := newFaulty(), newFaulty()
	to.create = func(r *driver.Record) error {
		if r.Key == oldKey || string(r.Data) == after {
			return driver.ErrTooLarge
		}
		return nil
	}
	require.NoError(t, from.Create(ctx, newRecord(oldKey, before)))
	s := move.New(to, from)
	_, err := s.Move(ctx, oldKey)
	require.ErrorIs(t, err, driver.ErrTooLarge)
	r := read(t, to, from)
	require.Equal(t, before, string(r.Data))

	require.NoError(t, s.Touch(ctx, oldKey, r.Expires.Add(time.Minute)))
	touched := read(t, to, from)
	require.Equal(t, r.Expires.Add(time.Minute), touched.Expires)
	touched.Data = []byte(after)
	touched.Created = time.Time{} // Flush ignores it
	require.NoError(t, s.Flush(ctx, touched))
	r = read(t, to, from)
	require.Equal(t, after, string(r.Data))
	require.Equal(t, touched.Version, r.Version, "the version that Flush has returned")
	require.False(t, r.Created.IsZero())

	moveAndDie(t, to, from, 3)
	require.Equal(t, after, string(read(t, to, from).Data), "a process has tried to move it")
	for key, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		require.Equal(t, oldKey, key)
	}

	r = read(t, to, from)
	r.Key = newKey
	require.NoError(t, s.ChangeID(ctx, oldKey, r))
	renamed, err := s.Retrieve(ctx, newKey)
	require.NoError(t, err)
	require.Equal(t, after, string(renamed.Data))
	_, err = s.Retrieve(ctx, oldKey)
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Destroy(ctx, newKey))

	from.flush = func(r *driver.Record) error {
		if move.IsFrozen(r) {
			return driver.ErrTooLarge // only with the mark
		}
		return nil
	}
	require.NoError(t, from.Create(ctx, newRecord("full", before)))
	full, err := s.Retrieve(ctx, "full")
	require.NoError(t, err)
	require.NoError(t, s.Flush(ctx, full))
}

// If the second step of a rename fails, the session is not lost, and the error does not say that
// it is.
func TestRenameFails(t *testing.T) {
	for name, tt := range map[string]struct {
		buries, undoes error // of the first Flush and the first Destroy
		want           error
		lives          []string
	}{
		"outage":                      {errOutage, nil, errOutage, []string{oldKey, newKey}},
		"conflict":                    {driver.ErrConflict, nil, nil, []string{newKey}},
		"conflict and then an outage": {driver.ErrConflict, errOutage, errOutage, []string{oldKey, newKey}},
	} {
		t.Run(name, func(t *testing.T) {
			to, from := newFaulty(), newFaulty()
			require.NoError(t, to.Create(t.Context(), newRecord(oldKey, before)))
			s := move.New(to, from)
			r := read(t, to, from)
			r.Key = newKey
			to.flush = func(*driver.Record) error { to.flush = nil; return tt.buries }
			to.destroy = func(string) error { to.destroy = nil; return tt.undoes }
			err := s.ChangeID(t.Context(), oldKey, r)
			to.flush, to.destroy = nil, nil
			require.ErrorIs(t, err, tt.want)
			require.False(t, errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound))
			require.ElementsMatch(t, tt.lives, listed(t, s))
		})
	}
}

// A record that can't be read does not disturb other sessions, and can be destroyed.
func TestCorrupt(t *testing.T) {
	for _, where := range []string{"new", "old"} {
		t.Run(where, func(t *testing.T) {
			ctx := t.Context()
			to, from := newFaulty(), newFaulty()
			store := map[string]*faulty{"new": to, "old": from}[where]
			require.NoError(t, store.Create(ctx, newRecord("corrupt", before)))
			require.NoError(t, store.Create(ctx, newRecord("good", before)))
			store.retrieve = func(key string) error {
				if key == "corrupt" {
					return driver.ErrCorrupt
				}
				return nil
			}
			s := move.New(to, from)
			_, err := s.Retrieve(ctx, "corrupt")
			require.ErrorIs(t, err, driver.ErrCorrupt)
			require.ElementsMatch(t, []string{"corrupt", "good"}, listed(t, s))
			require.NoError(t, s.DestroySubject(ctx, "ada"))
			require.Equal(t, []string{"corrupt"}, listed(t, s), "its subject can't be read")
			require.NoError(t, s.Destroy(ctx, "corrupt"))
			store.retrieve = nil
			require.Empty(t, listed(t, s))
		})
	}
}

func listed(t *testing.T, s driver.Store) (keys []string) {
	t.Helper()
	for key, err := range s.Sessions(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// An unreadable record in the old store does not protect the record in the new one from Destroy.
func TestDestroyBehindGarbage(t *testing.T) {
	to, from := newFaulty(), newFaulty()
	require.NoError(t, to.Create(t.Context(), newRecord(oldKey, before)))
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, "?")))
	from.retrieve = func(string) error {
		from.retrieve = nil
		return driver.ErrCorrupt
	}
	s := move.New(to, from)
	require.NoError(t, s.Destroy(t.Context(), oldKey))
	require.Empty(t, listed(t, s))
}

// versionless is a store whose Flush does not return the new version.
type versionless struct{ driver.Store }

func (s versionless) Flush(ctx context.Context, r *driver.Record) error {
	err := s.Store.Flush(ctx, r)
	if err == nil {
		r.Version = 0
	}
	return err
}

func TestTooLargeWithoutVersion(t *testing.T) {
	ctx := t.Context()
	to, from := newFaulty(), versionless{memory.New(memory.Options{})}
	to.create = func(*driver.Record) error { return driver.ErrTooLarge }
	require.NoError(t, from.Create(ctx, newRecord(oldKey, before)))
	s := move.New(to, from)
	r := read(t, to, from)
	r.Key = newKey
	require.NoError(t, s.ChangeID(ctx, oldKey, r))
	require.Equal(t, []string{newKey}, listed(t, s))
}

// A listing yields an error without a key.
func TestListFails(t *testing.T) {
	to, from := newFaulty(), newFaulty()
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
	to.retrieve = func(string) error { return errOutage }
	for key, err := range move.New(to, from).Sessions(t.Context()) {
		require.ErrorIs(t, err, errOutage)
		require.Empty(t, key)
	}
}

// A process that was suspended does not bring back a session that has ended since.
func TestSuspendedProcess(t *testing.T) {
	to, from := newFaulty(), newFaulty()
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(20*time.Millisecond))
	defer cancel()
	to.create = func(*driver.Record) error { return nil }
	from.flush = func(*driver.Record) error {
		time.Sleep(30 * time.Millisecond)
		return nil
	}
	_, err := move.New(to, from).Move(ctx, oldKey)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = to.Retrieve(t.Context(), oldKey)
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// Moves in opposite directions stop with an error and lose nothing.
func TestOppositeMoves(t *testing.T) {
	ctx := t.Context()
	a, b := newFaulty(), newFaulty()
	require.NoError(t, a.Create(ctx, newRecord(oldKey, before)))
	starts["in both"](t, b, a)
	r := read(t, b, a)
	r.Data = []byte(after)
	require.NoError(t, move.New(b, a).Flush(ctx, r))
	_, err := move.New(a, b).Move(ctx, oldKey)
	require.ErrorContains(t, err, "from the new one to the old one")
	_, err = move.New(b, a).Move(ctx, oldKey)
	require.NoError(t, err)
	_, err = move.New(a, b).Move(ctx, oldKey)
	require.NoError(t, err)
	require.Equal(t, after, string(read(t, a, b).Data))

	// The opposite move happens between the second step and the third.
	a, b = newFaulty(), newFaulty()
	require.NoError(t, a.Create(ctx, newRecord(oldKey, before)))
	a.destroy = func(string) error {
		a.destroy = nil
		_, err := move.New(a, b).Move(ctx, oldKey)
		require.ErrorContains(t, err, "on its way")
		return nil
	}
	_, err = move.New(b, a).Move(ctx, oldKey)
	require.NoError(t, err)
	require.Equal(t, before, string(read(t, b, a).Data))
}

func TestShows(t *testing.T) {
	a, b := newFaulty(), newFaulty()
	for _, tt := range []struct {
		in, out driver.Store
		want    bool
	}{{a, a, true}, {a, b, false}, {a, move.New(a, b), true}, {a, move.New(b, a), true}, {move.New(a, b), a, true}} {
		shows, err := move.Shows(t.Context(), tt.in, tt.out)
		require.NoError(t, err)
		require.Equal(t, tt.want, shows)
	}
	require.Empty(t, listed(t, move.New(a, b)))
	b.retrieve = func(string) error { return errOutage }
	_, err := move.Shows(t.Context(), a, b)
	require.ErrorIs(t, err, errOutage)
}
