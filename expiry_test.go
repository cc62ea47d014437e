package session_test

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
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
)

// immortal is a store in which no record expires, so that the factory has to enforce the timeouts.
type immortal struct {
	driver.Store
	expires map[string]time.Time
}

func newImmortal() *immortal {
	return &immortal{memory.New(memory.Options{}), map[string]time.Time{}}
}

const never = 200 * 365 * 24 * time.Hour

func (s *immortal) save(r *driver.Record, do func(*driver.Record) error) error {
	kept := *r
	kept.Expires = r.Created.Add(never)
	err := do(&kept)
	if err == nil {
		s.expires[r.Key] = r.Expires
		r.Version = kept.Version
	}
	return err
}

func (s *immortal) Create(ctx context.Context, r *driver.Record) error {
	return s.save(r, func(r *driver.Record) error { return s.Store.Create(ctx, r) })
}

func (s *immortal) Flush(ctx context.Context, r *driver.Record) error {
	return s.save(r, func(r *driver.Record) error { return s.Store.Flush(ctx, r) })
}

func (s *immortal) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.save(r, func(r *driver.Record) error { return s.Store.ChangeID(ctx, oldKey, r) })
}

func (s *immortal) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, key)
	if err == nil {
		r.Expires = s.expires[key]
	}
	return r, err
}

const hour, day = time.Hour, 24 * time.Hour

// alive asserts at which moment, to the millisecond, a session ends.
func alive(t *testing.T, f *session.Factory, id session.ID, want bool) {
	t.Helper()
	_, err := f.Retrieve(t.Context(), id)
	if want {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, session.ErrNotFound)
	}
}

func TestIdleAndLifetime(t *testing.T) {
	for name, store := range map[string]func() driver.Store{
		"store that expires":       func() driver.Store { return memory.New(memory.Options{}) },
		"store that never expires": func() driver.Store { return newImmortal() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := factory(t, session.Config{}, store())
				unused := created(t, f)
				time.Sleep(session.DefaultIdle - time.Millisecond)
				alive(t, f, unused.ID(), true)
				time.Sleep(time.Millisecond)
				alive(t, f, unused.ID(), false)

				used := created(t, f)
				for range 47 { // used every half hour
					time.Sleep(hour / 2)
					s := same(t, f, used)
					require.NoError(t, s.Set("n", 1))
					require.NoError(t, s.Flush(t.Context()))
				}
				require.Equal(t, used.Info().Created.Add(session.DefaultLifetime), same(t, f, used).Info().Expires)
				time.Sleep(hour/2 - time.Millisecond)
				alive(t, f, used.ID(), true)
				time.Sleep(time.Millisecond)
				alive(t, f, used.ID(), false)
			})
		})
	}
}

func TestDefaults(t *testing.T) {
	require.Equal(t, time.Hour, session.DefaultIdle)
	require.Equal(t, 24*time.Hour, session.DefaultLifetime)
	s := created(t, factory(t, session.Config{}, newProbe()))
	require.Equal(t, session.Timeouts{Idle: hour, Lifetime: day}, s.Info().Timeouts)
}

// A change of the ID extends neither Idle nor Lifetime; a sign-in begins a new Lifetime.
func TestChangeIDDoesNotProlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := session.Config{Timeouts: session.Timeouts{Idle: 10 * hour, Lifetime: 10 * hour}}
		f := factory(t, c, newImmortal())
		s := created(t, f)
		time.Sleep(9 * hour)
		require.NoError(t, s.ChangeID(ctx))
		require.Equal(t, s.Info().Created.Add(10*hour), s.Info().Expires)
		time.Sleep(hour)
		alive(t, f, s.ID(), false)

		s = created(t, f)
		began := s.Info().Created
		time.Sleep(9 * hour)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, began, same(t, f, s).Info().Created)
		time.Sleep(10*hour - time.Millisecond)
		alive(t, f, s.ID(), true)
		time.Sleep(time.Millisecond)
		alive(t, f, s.ID(), false)
	})
}

// The user signs in again and does not tick "remember me" this time.
func TestZeroTimeoutsAreThoseOfTheConfig(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: 14 * day, Lifetime: 60 * day, Persistent: true}))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.True(t, s.Info().Timeouts.Persistent, "the timeouts stay if the same user signs in again")
	require.NoError(t, s.SetTimeouts(session.Timeouts{}))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, session.Timeouts{Idle: hour, Lifetime: day}, same(t, f, s).Info().Timeouts)
	require.Zero(t, same(t, f, s).Cookie().MaxAge)
}

// SetTimeouts with the zero Timeouts gives a new session no content, so the session is not stored.
func TestZeroTimeoutsStoreNothing(t *testing.T) {
	store := newProbe()
	f := factory(t, session.Config{}, store)
	w := httptest.NewRecorder()
	f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.SetTimeouts(session.Timeouts{})
	})(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Result().Cookies())
}

func TestAnonymousAndOwnTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{Anonymous: session.Timeouts{Lifetime: 90 * day, Idle: 30 * day}}, newProbe())
		s := created(t, f)
		require.Equal(t, 30*day, s.Info().Timeouts.Idle)
		time.Sleep(29 * day)
		alive(t, f, s.ID(), true)

		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, session.Timeouts{Idle: hour, Lifetime: day}, s.Info().Timeouts)
		time.Sleep(hour)
		alive(t, f, s.ID(), false)

		s = created(t, f)
		own := session.Timeouts{Idle: 14 * day, Lifetime: 60 * day, Persistent: true}
		require.NoError(t, s.SetTimeouts(own))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, own, same(t, f, s).Info().Timeouts)
		time.Sleep(14*day - time.Millisecond)
		alive(t, f, s.ID(), true)
		time.Sleep(time.Millisecond)
		alive(t, f, s.ID(), false)
	})
}

func TestSetTimeoutsRefuses(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	for _, bad := range []session.Timeouts{
		{Idle: 2 * hour, Lifetime: hour},
		{Idle: 48 * hour},
		{Idle: -hour},
		{Lifetime: -1},
	} {
		require.Error(t, s.SetTimeouts(bad), "%+v", bad)
	}
	require.Equal(t, session.Timeouts{Idle: hour, Lifetime: day}, s.Info().Timeouts)
}

// Timeouts that put the expiry into the past end the session. No expired record reaches the store.
func TestSetTimeoutsIntoThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1}, p)
		s := created(t, f)
		time.Sleep(30 * time.Minute)
		require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: time.Minute, Lifetime: 10 * time.Minute}))
		require.ErrorIs(t, s.Flush(t.Context()), session.ErrNotFound)
		require.Equal(t, map[string]int{"Create": 1, "Destroy": 1}, p.take())
		alive(t, f, s.ID(), false)
	})
}

// If an operator shortens the timeouts of the Config, they apply to existing sessions.
func TestShortenedConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := memory.New(memory.Options{})
		long := session.Timeouts{Idle: 10 * hour, Lifetime: 100 * hour}
		before := factory(t, session.Config{Timeouts: long, SweepInterval: -1}, store)
		shortIdle := factory(t, session.Config{Timeouts: session.Timeouts{Idle: 2 * hour, Lifetime: 100 * hour}, SweepInterval: -1}, store)
		shortLifetime := factory(t, session.Config{Timeouts: session.Timeouts{Idle: 2 * hour, Lifetime: 3 * hour}, SweepInterval: -1}, store)
		s := created(t, before)
		time.Sleep(hour)
		alive(t, shortIdle, s.ID(), true)
		time.Sleep(hour)
		alive(t, before, s.ID(), true)
		alive(t, shortIdle, s.ID(), false)

		require.NoError(t, same(t, before, s).Flush(ctx)) // touches
		time.Sleep(time.Minute)
		alive(t, shortIdle, s.ID(), true)
		time.Sleep(hour)
		alive(t, shortIdle, s.ID(), true)
		alive(t, shortLifetime, s.ID(), false)

		used := same(t, shortIdle, s)
		require.NoError(t, used.Flush(ctx))
		require.Equal(t, time.Now().Add(2*hour).UTC().Truncate(time.Millisecond), same(t, before, s).Info().Expires)
	})
}

// A use moves the expiry after a twentieth of Idle, and not before.
func TestThrottledTouch(t *testing.T) {
	for name, tt := range map[string]struct {
		wrap  func(*probe) driver.Store
		touch string
	}{
		"Toucher": {func(p *probe) driver.Store { return p }, "Touch"},
		"without": {func(p *probe) driver.Store { return bare{p} }, "Flush"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				p := newProbe()
				f := factory(t, session.Config{SweepInterval: -1}, tt.wrap(p))
				s := created(t, f)
				first := s.Info().Expires
				time.Sleep(hour/20 - time.Millisecond)
				p.take()
				require.NoError(t, same(t, f, s).Flush(ctx))
				require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
				time.Sleep(time.Millisecond)
				require.NoError(t, same(t, f, s).Flush(ctx))
				require.Equal(t, map[string]int{"Retrieve": 1, tt.touch: 1}, p.take())
				require.Equal(t, first.Add(hour/20), same(t, f, s).Info().Expires)
				time.Sleep(time.Minute)
				require.NoError(t, same(t, f, s).Flush(ctx))
				require.Zero(t, p.take()[tt.touch], "the twentieth counts from the last move")
			})
		})
	}
}

// A response that takes long, such as a stream of events, is a use until its end.
func TestLongResponseTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1}, p)
		s := created(t, f)
		exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			current(t, r)
			fmt.Fprint(w, "an event")
			p.take()
			time.Sleep(hour / 2)
			require.Empty(t, p.take())
		}, s.ID().Reveal())
		require.Equal(t, map[string]int{"Touch": 1}, p.take())
		require.Equal(t, s.Info().Expires.Add(hour/2), same(t, f, s).Info().Expires)
	})
}

// Uses whose expiry Lifetime cuts are stored as seldom as others. A Touch would not tell the
// time of the use.
func TestUsesNearTheEndOfLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		timeouts := session.Timeouts{Idle: hour, Lifetime: hour + time.Minute + time.Microsecond}
		f := factory(t, session.Config{Timeouts: timeouts, Anonymous: timeouts, SweepInterval: -1}, p)
		s := created(t, f)
		time.Sleep(10 * time.Minute)
		p.take()
		for range 5 {
			require.NoError(t, same(t, f, s).Flush(t.Context()))
			time.Sleep(hour/20 - time.Second)
			require.NoError(t, same(t, f, s).Flush(t.Context()))
			time.Sleep(5 * time.Minute)
		}
		require.Equal(t, map[string]int{"Retrieve": 10, "Flush": 5}, p.take())
		require.Equal(t, s.Info().Created.Add(hour+time.Minute), same(t, f, s).Info().Expires)
	})
}

// A write moves the expiry no oftener than a use does, but at once if the timeouts have changed.
func TestWritesMoveTheExpirySeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{}, newImmortal())
		s := created(t, f)
		first := s.Info().Expires
		for range 3 {
			time.Sleep(hour/20 - time.Second)
			write := func() time.Time {
				require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, s.Info().Expires, same(t, f, s).Info().Expires)
				return s.Info().Expires
			}
			require.Equal(t, first, write())
			time.Sleep(time.Second)
			first = first.Add(hour / 20)
			require.Equal(t, first, write())
		}

		require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: hour, Lifetime: hour + time.Minute}))
		require.NoError(t, s.Flush(ctx))
		deadline := s.Info().Created.Add(hour + time.Minute)
		require.Equal(t, deadline, s.Info().Expires, "an earlier expiry is stored at once")
		time.Sleep(time.Until(deadline) - time.Minute)
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, deadline, s.Info().Expires, "no use moves the expiry beyond Lifetime")
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, time.Now().Add(hour).UTC(), s.Info().Expires, "a sign-in begins a new Lifetime")
	})
}

// A request does not fail if moving the expiry conflicts with a write of another request.
func TestTouchMeetsConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{SweepInterval: -1}, bare{memory.New(memory.Options{})})
		s := created(t, f)
		time.Sleep(10 * time.Minute)
		reader, writer := same(t, f, s), same(t, f, s)
		require.NoError(t, writer.Set("n", 1))
		require.NoError(t, writer.Flush(ctx))
		require.NoError(t, reader.Flush(ctx))
		require.True(t, same(t, f, s).Has("n"))
		require.NoError(t, reader.Set("m", 2))
		require.NoError(t, reader.Flush(ctx))
		require.Equal(t, map[string]any{"n": 1., "m": 2.}, values(t, same(t, f, s)))
	})
}

// A wrapper may have a Touch that says only when it is called that the store can't.
func TestTouchUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{SweepInterval: -1}, touchless{memory.New(memory.Options{})})
		s := created(t, f)
		time.Sleep(10 * time.Minute)
		require.NoError(t, same(t, f, s).Flush(ctx))
		require.Equal(t, s.Info().Expires.Add(10*time.Minute), same(t, f, s).Info().Expires)
	})
}

type touchless struct{ driver.Store }

func (touchless) Touch(context.Context, string, time.Time) error {
	return errors.ErrUnsupported
}

func TestLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{SweepInterval: -1}, newProbe())
		s := created(t, f)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		time.Sleep(time.Minute) // less than a twentieth of Idle
		again := same(t, f, s)
		require.NoError(t, again.SignIn(ctx, "ada"))
		require.NoError(t, again.Flush(ctx))
		s = again
		d, _, err := f.Inspect(ctx, s.Key())
		require.NoError(t, err)
		require.Equal(t, d.SignedInAt, d.LastSeen, "a sign-in is a use")
		for range 3 {
			time.Sleep(10 * time.Minute)
			require.NoError(t, same(t, f, s).Flush(ctx))
			for info, err := range f.SubjectSessions(ctx, "ada") {
				require.NoError(t, err)
				require.Equal(t, time.Now().UTC(), info.LastSeen)
				require.Equal(t, s.Info().Created, info.Created)
				require.Equal(t, time.Now().Add(hour).UTC(), info.Expires)
			}
		}
	})
}

func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{}, p)
		created(t, f)
		time.Sleep(session.DefaultIdle + 10*time.Minute)
		synctest.Wait()
		sweeps := p.take()["DeleteExpired"]
		require.GreaterOrEqual(t, sweeps, 70*4/25, "a sweep every 5 minutes, plus or minus a quarter")
		require.LessOrEqual(t, sweeps, 70*4/15+1)
		n, err := f.DeleteExpired(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "the sweeper has deleted the session")

		require.NoError(t, f.Close())
		p.take()
		time.Sleep(day)
		require.Empty(t, p.take(), "Close ends the sweeper")
	})
}

func TestSweeperOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1}, p)
		created(t, f)
		time.Sleep(day)
		require.Zero(t, p.take()["DeleteExpired"])
		n, err := f.DeleteExpired(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// Close cancels a sweep that takes long.
func TestCloseEndsSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{}, p)
		p.intercept(func(ctx context.Context, call string) error {
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(10 * time.Minute)
		start := time.Now()
		require.NoError(t, f.Close())
		require.Zero(t, time.Since(start))
	})
}

// A session that just fits in its cookie also fits with another expiry.
func TestExpiryOfLargestCookie(t *testing.T) {
	for name, timeouts := range map[string]session.Timeouts{"default": {}, "persistent": {Persistent: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				store, err := cookie.New(cookie.Options{Secrets: []session.Secret{secret(1)}, Unrevocable: true})
				require.NoError(t, err)
				f := factory(t, session.Config{Timeouts: timeouts, SweepInterval: -1}, store)
				var largest *session.Session
				for size := 2800; ; size++ {
					s := f.NewSession()
					require.NoError(t, s.Set("n", text(size)))
					if err := s.Flush(ctx); err != nil {
						require.ErrorIs(t, err, session.ErrTooLarge)
						break
					}
					largest = s
				}
				for range 6 { // more than a record keeps write numbers
					time.Sleep(30 * time.Minute)
					before := largest.ID().Reveal()
					require.NoError(t, largest.Flush(ctx))
					require.NotEqual(t, before, largest.ID().Reveal())
					largest = same(t, f, largest)
				}
			})
		})
	}
}
