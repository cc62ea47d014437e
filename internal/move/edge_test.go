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

// faulty is a store in memory of which a test replaces methods.
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
		ctx = context.WithoutCancel(ctx) // a store may notice the end of its time too late
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
		ctx = context.WithoutCancel(ctx) // the call was under way when the time was over
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

// What does not fit into the new store stays in the old one, and is in use there.
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
	touched.Created = time.Time{} // no business of the caller's
	require.NoError(t, s.Flush(ctx, touched))
	r = read(t, to, from)
	require.Equal(t, after, string(r.Data))
	require.Equal(t, touched.Version, r.Version, "as the caller was told")
	require.False(t, r.Created.IsZero())

	moveAndDie(t, to, from, 3)
	require.Equal(t, after, string(read(t, to, from).Data), "though somebody tries to move it")
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
			return driver.ErrTooLarge // by the mark alone
		}
		return nil
	}
	require.NoError(t, from.Create(ctx, newRecord("full", before)))
	full, err := s.Retrieve(ctx, "full")
	require.NoError(t, err)
	require.NoError(t, s.Flush(ctx, full))
}

// Where the second step of a rename fails, the session is not lost, and an outage is none
// of the errors that mean that it is.
func TestRenameFails(t *testing.T) {
	for name, tt := range map[string]struct {
		buries, undoes error // what the first call is told
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

// One record that can't be read stands in nobody's way, and can be ended.
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
			require.Equal(t, []string{"corrupt"}, listed(t, s), "whose it is can't be known")
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

// What is garbage in the old store does not shield what is in the new one.
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

// untold is a store that does not tell versions when it writes.
type untold struct{ driver.Store }

func (s untold) Flush(ctx context.Context, r *driver.Record) error {
	err := s.Store.Flush(ctx, r)
	if err == nil {
		r.Version = 0
	}
	return err
}

func TestTooLargeOfUntoldVersion(t *testing.T) {
	ctx := t.Context()
	to, from := newFaulty(), untold{memory.New(memory.Options{})}
	to.create = func(*driver.Record) error { return driver.ErrTooLarge }
	require.NoError(t, from.Create(ctx, newRecord(oldKey, before)))
	s := move.New(to, from)
	r := read(t, to, from)
	r.Key = newKey
	require.NoError(t, s.ChangeID(ctx, oldKey, r))
	require.Equal(t, []string{newKey}, listed(t, s))
}

// An error of a listing comes without a key.
func TestListFails(t *testing.T) {
	to, from := newFaulty(), newFaulty()
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
	to.retrieve = func(string) error { return errOutage }
	for key, err := range move.New(to, from).Sessions(t.Context()) {
		require.ErrorIs(t, err, errOutage)
		require.Empty(t, key)
	}
}

// A process that stood still does not bring back what has ended since.
func TestStandsStill(t *testing.T) {
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

// Moves in opposite directions stop, and lose nothing.
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

	// The other one comes between the second step and the third.
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
