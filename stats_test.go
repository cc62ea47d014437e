package session_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		p := newProbe()
		f := factory(t, quiet(session.Config{SweepInterval: -1}), p)
		require.Zero(t, counts(f))

		s := created(t, f)
		other := same(t, f, s)
		require.NoError(t, s.Set("a", 1))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, other.Set("b", 1))
		require.NoError(t, other.Flush(ctx)) // has a conflict, and reads the session again
		require.Equal(t, session.Stats{Created: 1, Retrieved: 1, Flushed: 2, Conflicts: 1}, counts(f))

		require.NoError(t, other.ChangeID(ctx))
		_, err := f.Retrieve(ctx, s.ID())
		require.ErrorIs(t, err, session.ErrNotFound)
		require.NoError(t, other.Destroy(ctx))
		require.Equal(t, session.Stats{Created: 1, Retrieved: 1, Flushed: 2, Conflicts: 1, NotFound: 1, ChangedID: 1, Destroyed: 1}, counts(f))

		left := created(t, f)
		time.Sleep(hour / 2)
		require.NoError(t, same(t, f, left).Flush(ctx))
		time.Sleep(2 * hour)
		n, err := f.DeleteExpired(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		got := counts(f)
		require.Equal(t, int64(1), got.Touched)
		require.Equal(t, int64(1), got.Expired)

		calls := map[string]int64{}
		for method, h := range f.Stats().Calls {
			calls[method] = h.Count()
			require.Len(t, h.Counts, len(h.Bounds)+1)
			require.IsIncreasing(t, h.Bounds)
			require.Equal(t, h.Count(), h.Counts[0], "a store in memory takes no time here")
			require.Zero(t, h.Sum)
		}
		require.Equal(t, map[string]int64{
			"Create": 2, "Retrieve": 4, "Flush": 3, "Touch": 1, "ChangeID": 1, "Destroy": 1, "DestroySubject": 0, "Renamed": 0, "DeleteExpired": 1,
		}, calls)
	})
}

// counts returns the Stats of f without Calls.
func counts(f *session.Factory) session.Stats {
	s := f.Stats()
	s.Calls = nil
	return s
}

// Every count has a name in Counters.
func TestCounters(t *testing.T) {
	var all session.Stats
	want := map[int64]bool{}
	for i, v := range reflect.ValueOf(&all).Elem().Fields() {
		if i.Type.Kind() == reflect.Int64 {
			n := int64(len(want) + 1)
			want[n] = true
			v.SetInt(n)
		}
	}
	got, names := map[int64]bool{}, map[string]bool{}
	for name, n := range all.Counters() {
		got[n], names[name] = true, true
	}
	require.Equal(t, want, got)
	require.Len(t, names, len(want))
	for name := range all.Counters() {
		require.Equal(t, "created", name)
		break
	}
}

func TestStatsOfDestroySubject(t *testing.T) {
	f := factory(t, session.Config{}, memory.New(memory.Options{}))
	require.NoError(t, f.DestroySubject(t.Context(), "ada"))
	for method, h := range f.Stats().Calls {
		require.Equal(t, method == "DestroySubject", h.Count() == 1, method)
	}
}

func TestHistogram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, quiet(session.Config{SweepInterval: -1, StoreTimeout: time.Minute}), p)
		s := created(t, f)
		for _, d := range []time.Duration{0, 30 * time.Millisecond, 50 * time.Millisecond, 50*time.Millisecond + 1, 10 * time.Second} {
			p.intercept(func(context.Context, string) error { time.Sleep(d); return nil })
			same(t, f, s)
		}
		h := f.Stats().Calls["Retrieve"]
		require.Equal(t, 50*time.Millisecond, h.Bounds[10])
		require.Equal(t, []int64{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 1}, h.Counts)
		require.EqualValues(t, 5, h.Count())
		require.Equal(t, 10*time.Second+130*time.Millisecond+1, h.Sum)

		h.Bounds[0], h.Counts[0] = 0, 0 // the slices belong to the caller
		again := f.Stats().Calls["Retrieve"]
		require.Equal(t, 10*time.Microsecond, again.Bounds[0])
		require.EqualValues(t, 1, again.Counts[0])
		require.Zero(t, session.Histogram{}.Count())
	})
}

func TestStatsOfListings(t *testing.T) {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	f := factory(t, session.Config{}, store)
	s := created(t, f)
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(t.Context()))
	before := counts(f)
	list := func() (err error) {
		for _, e := range f.Sessions(t.Context()) {
			err = errors.Join(err, e)
		}
		for _, e := range f.SubjectSessions(t.Context(), "ada") {
			err = errors.Join(err, e)
		}
		return err
	}
	require.NoError(t, list())
	require.Equal(t, before, counts(f), "no client has sent an ID")
	store.Inject(sessiontest.Fault{Calls: []string{"Sessions", "SubjectSessions"}, Err: sessiontest.ErrOutage})
	require.Error(t, list())
	require.Equal(t, before.StoreErrors+2, counts(f).StoreErrors)
}

func TestStatsOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		p := newProbe()
		f := factory(t, quiet(session.Config{SweepInterval: -1, StoreTimeout: time.Second}), p)
		s := created(t, f)
		before := counts(f)

		p.fail(errors.New("connection refused"), "Retrieve")
		_, err := f.Retrieve(ctx, s.ID())
		require.Error(t, err)
		p.fail(context.Canceled, "Retrieve")
		_, err = f.Retrieve(ctx, s.ID())
		require.Error(t, err)
		p.fail(nil)
		require.Equal(t, before.StoreErrors+1, counts(f).StoreErrors, "a client that goes away is no outage")

		p.fail(driver.ErrConflict, "Flush")
		require.NoError(t, s.Set("n", 1))
		require.ErrorIs(t, s.Flush(ctx), session.ErrConflict)
		p.fail(nil)
		require.Equal(t, int64(1), counts(f).MergesFailed)
		require.Greater(t, counts(f).Conflicts, int64(10))

		rec, err := p.Store.Retrieve(ctx, string(s.Key()))
		require.NoError(t, err)
		rec.Data = []byte("garbage")
		require.NoError(t, p.Store.Flush(ctx, rec))
		require.Equal(t, http.StatusOK, exchanged(f, counter(t), s.ID().Reveal()).Code)
		require.Equal(t, int64(1), counts(f).Corrupt)

		before = counts(f)
		require.NoError(t, f.Ping(ctx))
		require.Equal(t, before, counts(f), "no client has sent an ID")
		p.fail(errors.New("connection refused"), "Retrieve")
		require.Error(t, f.Ping(ctx))
		require.Equal(t, before.StoreErrors+1, counts(f).StoreErrors)
		p.intercept(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		impatient, cancel := context.WithTimeout(ctx, time.Millisecond)
		_, err = f.Retrieve(impatient, s.ID())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.Equal(t, before.StoreErrors+1, counts(f).StoreErrors, "the deadline of the caller is no outage")
		_, err = f.Retrieve(ctx, s.ID())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, before.StoreErrors+2, counts(f).StoreErrors)
	})
}
