package move_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
)

var errDied = errors.New("the process has died")

// process is a process that dies at a call of one of its stores, before or after the call has
// taken effect.
type process struct {
	calls int  // how many calls it makes before the one at which it dies
	after bool // the last call takes effect
	died  bool
}

func (p *process) around(ctx context.Context, _ string, do func(context.Context) error) error {
	if p.died {
		return errDied
	}
	p.calls--
	if p.calls >= 0 {
		return do(ctx)
	}
	p.died = true
	if p.after {
		_ = do(ctx)
	}
	return errDied
}

const (
	oldKey, newKey = "old-key", "new-key"
	before, after  = `{"n":1}`, `{"n":2}`
)

func newRecord(key, data string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(data), Subject: "ada", Created: now, Expires: now.Add(time.Hour)}
}

// operations are the calls during which a process may die.
var operations = map[string]func(ctx context.Context, s *move.Store, version uint64) error{
	"Retrieve": func(ctx context.Context, s *move.Store, _ uint64) error {
		_, err := s.Retrieve(ctx, oldKey)
		return err
	},
	"Flush": func(ctx context.Context, s *move.Store, version uint64) error {
		r := newRecord(oldKey, after)
		r.Version = version
		return s.Flush(ctx, r)
	},
	"ChangeID": func(ctx context.Context, s *move.Store, version uint64) error {
		r := newRecord(newKey, after)
		r.Version = version
		return s.ChangeID(ctx, oldKey, r)
	},
	"Touch": func(ctx context.Context, s *move.Store, _ uint64) error {
		return s.Touch(ctx, oldKey, time.Now().Add(2*time.Hour).UTC().Truncate(time.Millisecond))
	},
	"Move": func(ctx context.Context, s *move.Store, _ uint64) error {
		_, err := s.Move(ctx, oldKey)
		return err
	},
	"Destroy":        func(ctx context.Context, s *move.Store, _ uint64) error { return s.Destroy(ctx, oldKey) },
	"DestroySubject": func(ctx context.Context, s *move.Store, _ uint64) error { return s.DestroySubject(ctx, "ada") },
}

// starts are the places where the record may be when the operation begins.
var starts = map[string]func(t *testing.T, to, from driver.Store){
	"in the old store": func(*testing.T, driver.Store, driver.Store) {},
	"in the new store": func(t *testing.T, to, from driver.Store) {
		_, err := move.New(to, from).Move(t.Context(), oldKey)
		require.NoError(t, err)
	},
	"frozen":  func(t *testing.T, to, from driver.Store) { moveAndDie(t, to, from, 3) }, // after two Retrieves and a Flush
	"in both": func(t *testing.T, to, from driver.Store) { moveAndDie(t, to, from, 4) }, // and a Create
}

// moveAndDie lets a process die in a Move, after the given number of calls.
func moveAndDie(t *testing.T, to, from driver.Store, calls int) {
	t.Helper()
	p := &process{calls: calls}
	_, err := move.New(intercept.New(to, p.around), intercept.New(from, p.around)).Move(t.Context(), oldKey)
	require.ErrorIs(t, err, errDied)
}

// A process may die at any call of a store. Then another process finds the session in its old or
// its new state and can write to it, an ended session stays ended, and a record that is left in
// the old store can be moved.
func TestDeath(t *testing.T) {
	for start, prepare := range starts {
		for name, operation := range operations {
			for i := range 4 {
				afterwards, marks := i&1 != 0, i&2 != 0
				t.Run(fmt.Sprintf("%s/%s/after=%v/marks=%v", start, name, afterwards, marks), func(t *testing.T) {
					for calls, died := 0, true; died; calls++ {
						to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
						if !marks {
							to = unmarking{to}
						}
						require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
						prepare(t, to, from)
						version := uint64(1)
						if start != "frozen" { // reading it would complete the move
							version = read(t, to, from).Version
						}
						p := &process{calls: calls, after: afterwards}
						err := operation(t.Context(), move.New(intercept.New(to, p.around), intercept.New(from, p.around)), version)
						died = p.died
						o := outcome{t, move.New(to, from), name, calls, err, marks}
						o.isRight()
						o.moveRest(from)
						o.isRight()
						o.writeOrEnd()
					}
				})
			}
		}
	}
}

// unmarking is a store without any optional interface.
type unmarking struct{ driver.Store }

func read(t *testing.T, to, from driver.Store) *driver.Record {
	t.Helper()
	r, err := move.New(to, from).Retrieve(t.Context(), oldKey)
	require.NoError(t, err)
	return r
}

// outcome is what another process finds after an operation.
type outcome struct {
	t     *testing.T
	store *move.Store
	name  string
	calls int
	err   error // from the operation
	marks bool  // both stores keep marks
}

func (o outcome) ends() bool { return o.name == "Destroy" || o.name == "DestroySubject" }

// find returns the record, or nil.
func (o outcome) find(key string) *driver.Record {
	o.t.Helper()
	r, err := o.store.Retrieve(o.t.Context(), key)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	require.NoError(o.t, err, "after %d calls", o.calls)
	return r
}

func (o outcome) isRight() {
	o.t.Helper()
	was, renamed := o.find(oldKey), o.find(newKey)
	if was != nil {
		want := []string{before}
		if o.name == "Flush" {
			want = append(want, after)
		}
		require.Contains(o.t, want, string(was.Data))
	}
	if renamed != nil {
		require.Equal(o.t, after, string(renamed.Data))
	}
	found := was != nil || renamed != nil
	switch {
	case o.ends() && o.err == nil:
		require.False(o.t, found, "ended after %d calls", o.calls)
	case o.ends():
	case o.name == "ChangeID" && o.err == nil:
		require.Nil(o.t, was)
		require.NotNil(o.t, renamed)
		o.isMarked()
	case o.name == "Flush" && o.err == nil:
		require.Equal(o.t, after, string(was.Data))
	default:
		require.True(o.t, found, "lost after %d calls", o.calls)
	}
}

// isMarked expects that the old key leads to the new one, and can be neither destroyed nor created.
func (o outcome) isMarked() {
	o.t.Helper()
	if !o.marks {
		return
	}
	require.ErrorIs(o.t, o.store.Destroy(o.t.Context(), oldKey), driver.ErrNotFound)
	require.ErrorIs(o.t, o.store.Create(o.t.Context(), newRecord(oldKey, before)), driver.ErrExists)
	rename, err := o.store.Renamed(o.t.Context(), oldKey)
	require.NoError(o.t, err)
	require.Equal(o.t, newKey, rename.To)
}

// moveRest moves all records of the old store.
func (o outcome) moveRest(from driver.Store) {
	o.t.Helper()
	for _, left := range []int{1, 0} { // the first round also removes graves
		for key, err := range from.Sessions(o.t.Context()) {
			require.NoError(o.t, err)
			require.NotZero(o.t, left, "after %d calls", o.calls)
			_, err = o.store.Move(o.t.Context(), key)
			require.NoError(o.t, err)
		}
	}
}

// writeOrEnd writes to the session, or ends it if the operation was to end it.
func (o outcome) writeOrEnd() {
	o.t.Helper()
	for _, key := range []string{oldKey, newKey} {
		r := o.find(key)
		switch {
		case o.ends():
			err := o.store.Destroy(o.t.Context(), key)
			require.Equal(o.t, r == nil, errors.Is(err, driver.ErrNotFound))
			require.Nil(o.t, o.find(key))
		case r != nil:
			require.NoError(o.t, o.store.Flush(o.t.Context(), r))
		}
	}
}

// A record that a dead process has left in the old store does not come back after the session was
// shortened and has expired.
func TestShortenedAfterDeath(t *testing.T) {
	for name, shorten := range map[string]func(s *move.Store, r *driver.Record) error{
		"Flush": func(s *move.Store, r *driver.Record) error { return s.Flush(t.Context(), r) },
		"Touch": func(s *move.Store, r *driver.Record) error { return s.Touch(t.Context(), r.Key, r.Expires) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
				require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
				starts["in both"](t, to, from)
				_, err := to.Retrieve(t.Context(), oldKey)
				require.NoError(t, err)
				_, err = from.Retrieve(t.Context(), oldKey)
				require.NoError(t, err)

				s, r := move.New(to, from), read(t, to, from)
				r.Expires = time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
				require.NoError(t, shorten(s, r))
				time.Sleep(2 * time.Minute)
				_, err = s.Retrieve(t.Context(), oldKey)
				require.ErrorIs(t, err, driver.ErrNotFound)
				require.NoError(t, errors.Join(to.Close(), from.Close()))
			})
		})
	}
}
