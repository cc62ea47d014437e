package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// hung makes no call and gives no answer in time.
func hung(ctx context.Context, _ func(context.Context) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// touchers are the kinds of store by how they move an expiry: by Touch, by Flush, or by Flush with a
// version that has to be read first.
var touchers = map[string]struct {
	wrap func(driver.Store) driver.Store
	call string // the call that moves the expiry
}{
	"Toucher":   {func(st driver.Store) driver.Store { return st }, "Touch"},
	"without":   {func(st driver.Store) driver.Store { return bare{st} }, "Flush"},
	"forgetful": {func(st driver.Store) driver.Store { return bare{forgetful{st}} }, "Flush"},
}

// If the expiry can't be moved, a page that only reads is answered all the same. The log has one
// line, and the next request tries again.
func TestExpiryThatCantBeMoved(t *testing.T) {
	for failure, act := range map[string]act{
		"unmade":        unmade,
		"lost":          lost,
		"hung":          hung,
		"canceled":      answered(context.Canceled),
		"corrupt":       answered(driver.ErrCorrupt),
		"too large":     answered(driver.ErrTooLarge),
		"closed":        answered(driver.ErrClosed),
		"exists":        answered(driver.ErrExists),
		"driver's own":  answered(errors.New("read-only replica")),
		"wrapped twice": answered(fmt.Errorf("a: %w", fmt.Errorf("b: %w", sessiontest.ErrOutage))),
	} {
		for kind, toucher := range touchers {
			t.Run(failure+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					st := stage(memory.New(memory.Options{}))
					f := factory(t, session.Config{
						SweepInterval: -1,
						Logger:        slog.New(slog.NewTextHandler(&log, nil)),
						OnError:       func(_ http.ResponseWriter, _ *http.Request, err error) { t.Errorf("OnError: %v", err) },
					}, toucher.wrap(st))
					s := stored(t, f, map[string]any{"n": 1})
					expires := same(t, f, s).Info().Expires
					read := func() {
						w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
							fmt.Fprint(w, got[int](t, current(t, r), "n"))
						}, s.ID().Reveal())
						require.Equal(t, http.StatusOK, w.Code)
						require.Equal(t, "1", w.Body.String())
						require.Empty(t, w.Header()["Set-Cookie"])
					}
					time.Sleep(10 * time.Minute)
					st.took()
					st.then(toucher.call, act)
					read()
					require.Equal(t, 1, st.took()[toucher.call], "one try for each request")
					require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
					require.Contains(t, log.String(), string(s.Key()))
					require.NotContains(t, log.String(), s.ID().Reveal())

					log.Reset()
					time.Sleep(10 * time.Minute)
					read()
					require.Equal(t, 1, st.took()[toucher.call])
					require.Equal(t, expires.Add(20*time.Minute).UnixMilli(), same(t, f, s).Info().Expires.Truncate(time.Minute).UnixMilli())
					require.Empty(t, log.String())
				})
			})
		}
	}
}

// Answers of the store that are no failure keep their meaning.
func TestAnswersToAMoveOfTheExpiry(t *testing.T) {
	for answer, tt := range map[string]struct {
		act  act
		want error // the error of an explicit Flush
	}{
		"ended":    {answered(driver.ErrNotFound), session.ErrNotFound},
		"conflict": {answered(driver.ErrConflict), nil},
	} {
		for kind, toucher := range touchers {
			t.Run(answer+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					st := stage(memory.New(memory.Options{}))
					f := factory(t, session.Config{SweepInterval: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))}, toucher.wrap(st))
					s := stored(t, f, map[string]any{"n": 1})
					time.Sleep(10 * time.Minute)
					st.then(toucher.call, tt.act, tt.act)
					w := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r) }, s.ID().Reveal())
					require.Equal(t, http.StatusOK, w.Code)
					require.ErrorIs(t, same(t, f, s).Flush(t.Context()), tt.want)
					require.Empty(t, log.String())
				})
			})
		}
	}
}

// A request whose change is not stored fails, even if the expiry is due at the same time.
func TestChangeIsStoredOrAnError(t *testing.T) {
	for kind, toucher := range touchers {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := stage(memory.New(memory.Options{}))
				f := factory(t, quiet(session.Config{SweepInterval: -1}), toucher.wrap(st))
				s := stored(t, f, map[string]any{"n": 1})
				time.Sleep(10 * time.Minute)
				st.then("Touch", unmade)
				st.then("Flush", unmade, unmade, unmade, unmade)
				set := func(_ http.ResponseWriter, r *http.Request) { require.NoError(t, current(t, r).Set("n", 2)) }
				require.Equal(t, http.StatusServiceUnavailable, exchanged(f, set, s.ID().Reveal()).Code)
				st.heal()
				require.Equal(t, http.StatusOK, exchanged(f, set, s.ID().Reveal()).Code)
				require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
			})
		})
	}
}

// After a failure to move the expiry, the same request may change the session, and an explicit Flush
// tries again at once.
func TestChangeAfterAFailedMove(t *testing.T) {
	for kind, toucher := range touchers {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				st := stage(memory.New(memory.Options{}))
				f := factory(t, quiet(session.Config{SweepInterval: -1}), toucher.wrap(st))
				s := same(t, f, stored(t, f, map[string]any{"n": 1}))
				before := s.Info().Expires
				time.Sleep(10 * time.Minute)
				st.then(toucher.call, lost, unmade)
				require.NoError(t, s.Flush(ctx))
				require.NoError(t, s.Flush(ctx))
				require.NoError(t, increment(s))
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
				require.True(t, same(t, f, s).Info().Expires.After(before.Add(9*time.Minute)))
			})
		})
	}
}

// If the caller's own context is done, Flush returns its error.
func TestMoveForACallerThatHasGivenUp(t *testing.T) {
	for kind, toucher := range touchers {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := stage(memory.New(memory.Options{}))
				f := factory(t, session.Config{SweepInterval: -1}, toucher.wrap(st))
				s := same(t, f, stored(t, f, map[string]any{"n": 1}))
				time.Sleep(10 * time.Minute)
				ctx, cancel := context.WithCancel(t.Context())
				st.then(toucher.call, func(ctx context.Context, _ func(context.Context) error) error {
					cancel()
					return hung(ctx, nil)
				})
				require.ErrorIs(t, s.Flush(ctx), context.Canceled)
				require.NoError(t, s.Flush(t.Context()))
			})
		})
	}
}

// Moving the expiry of a large sealed session neither encodes nor seals it.
func TestTouchSealsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := session.Config{SweepInterval: -1, MaxSize: -1, Secrets: []session.Secret{secret(1)}}
		f := factory(t, quiet(cfg), memory.New(memory.Options{}))
		const size = 4 << 20
		s := same(t, f, stored(t, f, map[string]any{"large": strings.Repeat("x", size)}))
		before := s.Info().Expires
		time.Sleep(10 * time.Minute)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		allocated := m.TotalAlloc
		require.NoError(t, s.Flush(t.Context()))
		runtime.ReadMemStats(&m)
		require.Less(t, m.TotalAlloc-allocated, uint64(size/4))
		require.Equal(t, before.Add(10*time.Minute), same(t, f, s).Info().Expires)
	})
}
