package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
)

func take(t testing.TB, s *session.Session) (string, error) {
	t.Helper()
	return session.Take[string](context.Background(), s, "token")
}

// A Take that fails after another request has taken the value does not put the value back.
func TestTakeThatLostAndFailed(t *testing.T) {
	ctx := t.Context()
	for name, failure := range map[string]error{"too large": driver.ErrTooLarge, "closed": driver.ErrClosed} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{})
			s := stored(t, f, map[string]any{"token": "t"})
			slow, fast := same(t, f, s), same(t, f, s)
			v, err := take(t, fast)
			require.NoError(t, err)
			require.Equal(t, "t", v)
			st.then("Flush", made, answered(failure))
			_, err = take(t, slow)
			require.ErrorIs(t, err, failure)
			require.NoError(t, slow.Set("x", 1))
			require.NoError(t, slow.Flush(ctx))
			_, err = take(t, same(t, f, s))
			require.ErrorIs(t, err, session.ErrNoValue, "the value was taken")
		})
	}
}

// A Take that fails does not undo what other goroutines of the request have done to the value.
func TestDeleteDuringTakeThatFails(t *testing.T) {
	ctx := t.Context()
	for name, fails := range map[string]act{"answered": answered(driver.ErrTooLarge), "unanswered": unmade} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{})
			s := stored(t, f, map[string]any{"token": "t"})
			st.then("Flush", func(ctx context.Context, do func(context.Context) error) error {
				require.NoError(t, s.Clear())
				return fails(ctx, do)
			}, fails)
			_, err := take(t, s)
			require.Error(t, err)
			st.heal()
			require.NoError(t, s.Set("x", 1))
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, []string{"x"}, same(t, f, s).Names())
		})
	}
}

// At most one request gets the value, and exactly one unless an outcome stays unknown.
func TestTakeOutcomes(t *testing.T) {
	ctx := t.Context()
	for name, tt := range map[string]struct {
		flush, retrieve []act
		gets            bool // whether this request gets the value
		left            bool // whether another request can get it later
	}{
		"usual":                          {nil, nil, true, false},
		"answer lost":                    {[]act{lost}, nil, true, false},
		"not done":                       {[]act{unmade}, nil, true, false},
		"not done, then answer lost":     {[]act{unmade, lost}, nil, false, false},
		"never done":                     {[]act{unmade, unmade}, nil, false, true},
		"answer lost, no look":           {[]act{lost}, []act{unmade}, false, false},
		"not done, no look":              {[]act{unmade}, []act{unmade}, false, true},
		"conflict":                       {[]act{answered(driver.ErrConflict)}, nil, true, false},
		"conflict, then answer lost":     {[]act{answered(driver.ErrConflict), lost}, nil, true, false},
		"too large":                      {[]act{answered(driver.ErrTooLarge)}, nil, false, true},
		"not done, conflict, lost":       {[]act{unmade, answered(driver.ErrConflict), lost}, nil, false, false},
		"answer lost, look fails, again": {[]act{lost}, []act{unmade, unmade}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{})
			s := stored(t, f, map[string]any{"token": "t", "other": 1})
			st.then("Flush", tt.flush...)
			st.then("Retrieve", tt.retrieve...)
			v, err := take(t, s)
			require.Equal(t, tt.gets, err == nil, "%v", err)
			if tt.gets {
				require.Equal(t, "t", v)
			} else {
				require.NotErrorIs(t, err, session.ErrNoValue)
				require.Empty(t, v)
			}
			st.heal()
			require.NoError(t, s.Set("x", 1))
			require.NoError(t, s.Flush(ctx))
			_, err = take(t, same(t, f, s))
			require.Equal(t, tt.left, err == nil, "%v", err)
			require.Equal(t, 1, got[int](t, same(t, f, s), "other"))
		})
	}
}

// Of many requests and goroutines exactly one gets the value.
func TestTakeAtOnce(t *testing.T) {
	f, _ := onStage(t, session.Config{})
	for range 20 {
		s := stored(t, f, map[string]any{"token": "t"})
		var mu sync.Mutex
		winners := 0
		var wg sync.WaitGroup
		for range 4 {
			r := same(t, f, s)
			for range 2 {
				wg.Go(func() {
					_, err := session.Take[string](context.Background(), r, "token")
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						winners++
					} else if !errors.Is(err, session.ErrNoValue) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		require.Equal(t, 1, winners)
	}
}

// Take of a name without a value stores nothing, so it works after the header of the response is
// sent. Take of a value fails then if it needs a cookie.
func TestTakeAfterTheHeader(t *testing.T) {
	onServer := func() *session.Factory { return factory(t, session.Config{}, memory.New(memory.Options{})) }
	inCookie := func() *session.Factory {
		return clientSide(t, cookie.Options{Secrets: []session.Secret{secret(1)}, Revocations: lasting(t)})
	}
	for name, tt := range map[string]struct {
		factory func() *session.Factory
		value   bool
		want    error
	}{
		"no value, new session": {onServer, false, session.ErrNoValue},
		"no value, in a cookie": {inCookie, false, session.ErrNoValue},
		"a value, in a cookie":  {inCookie, true, session.ErrHeaderSent},
	} {
		t.Run(name, func(t *testing.T) {
			exchanged(tt.factory(), func(w http.ResponseWriter, r *http.Request) {
				s := current(t, r)
				if tt.value {
					require.NoError(t, s.Set("token", "t"))
				}
				w.WriteHeader(200)
				_, err := take(t, s)
				require.ErrorIs(t, err, tt.want)
			})
		})
	}
}
