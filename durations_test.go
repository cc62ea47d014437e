package session_test

import (
	"context"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

var extremes = []time.Duration{
	math.MinInt64, -day, -time.Second, -1, 0, 1, time.Microsecond, time.Millisecond - 1, time.Millisecond, 9 * time.Millisecond, 10 * time.Millisecond,
	time.Second, time.Hour, day, 365 * day, 100 * 365 * day, 146 * 365 * day, 250 * 365 * day, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64,
}

// Each duration of a Config is refused or works: no loop is busy, and nothing overflows.
func TestExtremeDurations(t *testing.T) {
	for field, set := range map[string]func(c *session.Config, d time.Duration){
		"Timeouts.Idle":     func(c *session.Config, d time.Duration) { c.Timeouts.Idle = d },
		"Timeouts.Lifetime": func(c *session.Config, d time.Duration) { c.Timeouts = session.Timeouts{Idle: d, Lifetime: d} },
		"persistent": func(c *session.Config, d time.Duration) {
			c.Timeouts = session.Timeouts{Idle: d, Lifetime: d, Persistent: true}
		},
		"Anonymous.Idle":     func(c *session.Config, d time.Duration) { c.Anonymous.Idle = d },
		"Anonymous.Lifetime": func(c *session.Config, d time.Duration) { c.Anonymous = session.Timeouts{Idle: d, Lifetime: d} },
		"StoreTimeout":       func(c *session.Config, d time.Duration) { c.StoreTimeout = d },
		"SweepInterval":      func(c *session.Config, d time.Duration) { c.SweepInterval = d },
		"WatchInterval":      func(c *session.Config, d time.Duration) { c.WatchInterval = d },
	} {
		for _, d := range extremes {
			t.Run(field+" "+d.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := quiet(session.Config{})
					set(&cfg, d)
					p := newProbe()
					f, err := cfg.New(p)
					if err != nil {
						require.Regexp(t, `^session: Config\.\w+(: | is ).+`, err.Error())
						require.NotZero(t, d, "0 is the default")
						return
					}
					defer f.Close()
					serveForAWhile(t, f, p)
				})
			})
		}
	}
}

// serveForAWhile uses and watches a session for five minutes, and requires that the store was not
// kept busy.
func serveForAWhile(t *testing.T, f *session.Factory, p *probe) {
	w := exchanged(f, func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, signsInAgain(r.Context(), current(t, r)))
	})
	require.Equal(t, http.StatusOK, w.Code)
	cookie := cookieOf(w)
	require.NotNil(t, cookie)
	require.GreaterOrEqual(t, cookie.MaxAge, 0)
	s, err := f.Retrieve(t.Context(), session.NewID(cookie.Value))
	require.NoError(t, err)
	require.True(t, s.Info().Expires.After(time.Now()))
	ctx, cancel := s.Context(context.Background())
	defer cancel()
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	calls := p.take()
	require.LessOrEqual(t, calls["DeleteExpired"], 300*100*4/3+1)
	require.LessOrEqual(t, calls["Retrieve"], 300*100+10)
	require.Equal(t, !time.Now().Before(s.Info().Expires), ctx.Err() != nil)
}

// Timeouts of a single session have the same limits.
func TestExtremeSetTimeouts(t *testing.T) {
	for _, d := range extremes {
		synctest.Test(t, func(t *testing.T) {
			f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
			s := signedIn(t, f, "ada")
			before := s.Info().Timeouts
			if err := s.SetTimeouts(session.Timeouts{Idle: d, Lifetime: d, Persistent: true}); err != nil {
				require.Equal(t, before, s.Info().Timeouts)
				require.True(t, d < time.Millisecond || d > 100*365*day, "%v: %v", d, err)
				return
			}
			require.NoError(t, s.Flush(t.Context()))
			require.True(t, s.Info().Expires.After(time.Now()))
			require.GreaterOrEqual(t, s.Cookie().MaxAge, 0)
		})
	}
}

// An error about timeouts says which of them is a default, and whose.
func TestTimeoutsThatContradictADefault(t *testing.T) {
	for want, c := range map[string]session.Config{
		"Config.Timeouts: the Idle of 48h0m0s is longer than the Lifetime of 24h0m0s, which is the default; set Lifetime too":              {Timeouts: session.Timeouts{Idle: 48 * time.Hour}},
		"Config.Timeouts: the Lifetime of 30m0s is shorter than the Idle of 1h0m0s, which is the default; set Idle too":                    {Timeouts: session.Timeouts{Lifetime: 30 * time.Minute}},
		"Config.Anonymous: the Idle of 48h0m0s is longer than the Lifetime of 24h0m0s, which is that of Config.Timeouts; set Lifetime too": {Anonymous: session.Timeouts{Idle: 48 * time.Hour}},
		"Config.Anonymous: the Lifetime of 30m0s is shorter than the Idle of 1h0m0s, which is that of Config.Timeouts; set Idle too":       {Anonymous: session.Timeouts{Lifetime: 30 * time.Minute}},
		"Config.Timeouts: the Idle of 48h0m0s is longer than the Lifetime of 24h0m0s; raise Lifetime or lower Idle":                        {Timeouts: session.Timeouts{Idle: 48 * time.Hour, Lifetime: day}},
		"Config.Timeouts: a Lifetime of more than 100 years can't be stored; 876000h0m0s is the most":                                      {Timeouts: session.Timeouts{Lifetime: math.MaxInt64}},
	} {
		_, err := c.New(newProbe())
		require.EqualError(t, err, "session: "+want)
	}
	s := created(t, factory(t, session.Config{SweepInterval: -1}, newProbe()))
	require.EqualError(t, s.SetTimeouts(session.Timeouts{Idle: 48 * time.Hour}),
		"session: set timeouts: the Idle of 48h0m0s is longer than the Lifetime of 24h0m0s, which is that of the Config; set Lifetime too")
}
