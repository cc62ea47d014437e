package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/sessiontest"
)

// shop greets, and counts visits.
func shop(w http.ResponseWriter, r *http.Request) {
	s, err := session.FromContext(r.Context())
	if err != nil {
		return
	}
	if err := session.Update(s, "visits", func(n int) int { return n + 1 }); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	name, _ := session.Get[string](s, "name")
	fmt.Fprintf(w, "%s of %q", name, s.Subject())
}

func get(h http.Handler, c *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNew(t *testing.T) {
	f := sessiontest.New(t)
	h := f.Handler(http.HandlerFunc(shop))
	cookie := sessiontest.Login(t, f, map[string]any{"name": "Ada"})
	require.Equal(t, `Ada of "sessiontest"`, get(h, cookie).Body.String())
	require.Equal(t, `Bob of "bob"`, get(h, sessiontest.LoginAs(t, f, "bob", map[string]any{"name": "Bob"})).Body.String())
	require.Equal(t, ` of ""`, get(h, sessiontest.LoginAs(t, f, "", nil)).Body.String())

	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	require.Equal(t, http.StatusServiceUnavailable, get(h, cookie).Code)
	f.Store.Heal()
	require.Equal(t, `Ada of "sessiontest"`, get(h, cookie).Body.String())

	f.Clock.Advance(59 * time.Minute)
	require.Equal(t, `Ada of "sessiontest"`, get(h, cookie).Body.String())
	f.Clock.Advance(59 * time.Minute)
	require.Equal(t, `Ada of "sessiontest"`, get(h, cookie).Body.String(), "it was used meanwhile")
	f.Clock.Advance(time.Hour)
	require.Equal(t, ` of ""`, get(h, cookie).Body.String())
	n, err := f.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestWithConfig(t *testing.T) {
	f := sessiontest.WithConfig(t, session.Config{Timeouts: session.Timeouts{Idle: time.Minute, Persistent: true}, Cookie: session.Cookie{Name: "__Host-s"}})
	cookie := sessiontest.Login(t, f, nil)
	require.Equal(t, "__Host-s", cookie.Name)
	require.InDelta(t, session.DefaultLifetime.Seconds(), cookie.MaxAge, 2, "by the clock of the test")
	f.Clock.Advance(2 * time.Minute)
	require.ErrorIs(t, f.Destroy(t.Context(), session.ID(cookie.Value).Key()), session.ErrNotFound)
}

// The store keeps the contract while it is told nothing.
func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Target{
		Driver:     wrapped{t},
		DSN:        func(t testing.TB) string { return t.Name() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	})
}

type wrapped struct{ t *testing.T }

func (w wrapped) Open(dsn string) (driver.Store, error) {
	store, err := memory.Driver{}.Open(dsn)
	if err != nil {
		return nil, err
	}
	return sessiontest.Wrap(w.t, store), nil
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := sessiontest.New(t)
		s, err := f.Create(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Create": 1}, f.Store.Calls())

		set := func(value int) error {
			require.NoError(t, s.Set("n", value))
			return s.Flush(ctx)
		}
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: driver.ErrConflict, Times: 2})
		require.NoError(t, set(1))
		require.Equal(t, map[string]int{"Flush": 3, "Retrieve": 2}, f.Store.Calls())

		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, AnswerLost: true, Times: 1})
		require.NoError(t, set(2), "what has become of a write is found out")
		require.Equal(t, map[string]int{"Flush": 1, "Retrieve": 1}, f.Store.Calls())
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush", "Retrieve"}, Err: sessiontest.ErrOutage, AnswerLost: true, Times: 2})
		require.ErrorIs(t, set(2), sessiontest.ErrOutage)
		require.NoError(t, s.Flush(ctx))
		stored, err := f.Retrieve(ctx, s.ID())
		require.NoError(t, err)
		n, err := session.Get[int](stored, "n")
		require.NoError(t, err)
		require.Equal(t, 2, n, "stored, though nobody was told")

		f.Store.Inject(sessiontest.Fault{Delay: time.Second})
		begin := time.Now()
		require.NoError(t, set(3))
		require.GreaterOrEqual(t, time.Since(begin), time.Second)
		f.Store.Inject(sessiontest.Fault{Delay: time.Hour})
		f.Store.Heal()
		f.Store.Inject(sessiontest.Fault{Delay: time.Hour})
		begin = time.Now()
		require.ErrorIs(t, set(4), context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(begin), "no longer than Config.StoreTimeout")
		f.Store.Heal()

		f.Store.Inject(sessiontest.Fault{Calls: []string{"Sessions", "SubjectSessions"}, Err: sessiontest.ErrOutage})
		for _, err := range f.Sessions(ctx) {
			require.ErrorIs(t, err, sessiontest.ErrOutage)
		}
		f.Store.Heal()
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Sessions"}, Err: sessiontest.ErrOutage, AnswerLost: true})
		for _, err := range f.Sessions(ctx) {
			require.NoError(t, err)
			break // nobody is told any more
		}
	})
}

// What the other store lacks is not there, and no fault is needed for that.
func TestLackingStore(t *testing.T) {
	f, err := session.Config{SweepInterval: -1}.New(sessiontest.Wrap(t, lacking{memory.New(memory.Options{})}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Ping(t.Context()))
	require.ErrorIs(t, f.DestroySubject(t.Context(), "ada"), errors.ErrUnsupported)
	cookie := sessiontest.Login(t, f, nil)
	_, err = f.Retrieve(t.Context(), session.ID(cookie.Value))
	require.NoError(t, err)
}

type lacking struct{ driver.Store }
