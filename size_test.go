package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// text returns a string whose JSON has n bytes.
func text(n int) string { return strings.Repeat("x", n-2) }

func TestMaxSize(t *testing.T) {
	ctx := t.Context()
	const head = len(`{"cart":}`)
	for name, cfg := range map[string]session.Config{
		"plain": {MaxSize: 1000}, "sealed": {MaxSize: 1000, Secrets: []session.Secret{secret(1)}}, "default": {},
	} {
		t.Run(name, func(t *testing.T) {
			f, limit := factory(t, quiet(cfg), newProbe()), cfg.MaxSize
			if limit == 0 {
				limit = 256 << 10
			}
			s := stored(t, f, map[string]any{"cart": text(limit - head)})
			require.Equal(t, limit, s.Info().Size)
			require.Equal(t, limit, same(t, f, s).Info().Size)

			require.NoError(t, s.Set("cart", text(limit-head+1)))
			require.ErrorIs(t, s.Flush(ctx), session.ErrTooLarge)
			require.ErrorIs(t, s.ChangeID(ctx), session.ErrTooLarge)
			require.Equal(t, limit, same(t, f, s).Info().Size, "the store keeps what it had")
			require.NoError(t, s.Set("cart", text(9)))
			require.NoError(t, s.Flush(ctx), "it fits now")
			require.Equal(t, text(9), got[string](t, same(t, f, s), "cart"))

			fresh := f.NewSession()
			require.NoError(t, fresh.Set("cart", text(limit)))
			require.ErrorIs(t, fresh.Flush(ctx), session.ErrTooLarge)
			require.True(t, fresh.IsNew())
		})
	}
	none := factory(t, session.Config{MaxSize: -1}, newProbe())
	stored(t, none, map[string]any{"cart": text(1 << 20)})
}

// If the values of two requests together exceed the limit, only one request stores its value.
func TestMaxSizeOfMerges(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{MaxSize: 1000}, newProbe())
	s := stored(t, f, map[string]any{"n": 1})
	a, b := same(t, f, s), same(t, f, s)
	require.NoError(t, a.Set("a", text(600)))
	require.NoError(t, b.Set("b", text(600)))
	require.NoError(t, a.Flush(ctx))
	require.ErrorIs(t, b.Flush(ctx), session.ErrTooLarge)
	require.Equal(t, []string{"a", "n"}, same(t, f, s).Names())
}

// A write fits if another request has made the session smaller since this one has read it.
func TestMaxSizeOfOldView(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	before := factory(t, session.Config{}, unclosed{p})
	f := factory(t, session.Config{MaxSize: 1000}, p)
	for name, size := range map[string]int{"within the limit": 600, "beyond it": 1600} {
		for _, signsIn := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " signs in ", signsIn), func(t *testing.T) {
				s := stored(t, before, map[string]any{"a": text(size)})
				a, b := same(t, f, s), same(t, f, s)
				require.NoError(t, a.Delete("a"))
				require.NoError(t, a.Set("n", 1))
				require.NoError(t, a.Flush(ctx))
				require.NoError(t, b.Set("b", text(600)))
				if signsIn {
					require.NoError(t, b.SignIn(ctx, "ada"))
				}
				require.NoError(t, b.Flush(ctx))
				require.Equal(t, []string{"b", "n"}, same(t, f, b).Names())
			})
		}
	}
	s := stored(t, f, map[string]any{"a": text(600)})
	gone := same(t, f, s)
	require.NoError(t, f.Destroy(ctx, s.Key()))
	require.NoError(t, gone.Set("b", text(600)))
	require.ErrorIs(t, gone.Flush(ctx), session.ErrNotFound)
}

// After the limit was lowered, a larger session can be read, used and made smaller.
func TestMaxSizeIsLowered(t *testing.T) {
	ctx := t.Context()
	for name, secrets := range map[string][]session.Secret{"plain": nil, "sealed": {secret(1)}} {
		t.Run(name, func(t *testing.T) {
			p := newProbe()
			before := factory(t, session.Config{Secrets: secrets}, unclosed{p})
			f := factory(t, quiet(session.Config{Secrets: secrets, MaxSize: 1000}), p)
			s := same(t, f, stored(t, before, map[string]any{"cart": text(3000), "n": 10}))
			require.Equal(t, text(3000), got[string](t, s, "cart"))
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.NoError(t, s.Flush(ctx))
			require.NoError(t, s.Set("n", 11))
			require.NoError(t, s.Flush(ctx), "no larger")
			require.NoError(t, s.Set("n", 100))
			require.ErrorIs(t, s.Flush(ctx), session.ErrTooLarge)
			require.NoError(t, s.Set("cart", text(2000)))
			require.NoError(t, s.Flush(ctx), "smaller")
			require.NoError(t, s.Set("cart", text(2001)))
			require.ErrorIs(t, s.Flush(ctx), session.ErrTooLarge)
			require.Equal(t, 100, got[int](t, same(t, f, s), "n"))
		})
	}
}

// ErrTooLarge names the three largest values and their sizes, and never their content, whether the
// limit is that of the Config or of the backend.
func TestTooLargeNamesTheLargest(t *testing.T) {
	ctx := t.Context()
	const want = `the largest are "b" with 1,201 bytes, "a canary of more than forty bytes, which..." with 643 bytes, "a" with 501 bytes`
	long := "a canary of more than forty bytes, which is cut"
	for name, tt := range map[string]struct {
		cfg  session.Config
		want string
	}{
		"Config":  {session.Config{MaxSize: 2000}, "session: flush: the session is too large: its values have 2,373 bytes, and Config.MaxSize is 2,000; " + want},
		"backend": {session.Config{}, "session: flush: the session is too large: 2 KB; " + want},
	} {
		t.Run(name, func(t *testing.T) {
			store := sessiontest.Wrap(t, memory.New(memory.Options{}))
			f := factory(t, quiet(tt.cfg), store)
			s := created(t, f)
			if name == "backend" {
				store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: tooLargeError{}})
			}
			for name, size := range map[string]int{"a": 500, "b": 1200, "c": 3, "d": 2, long: 643 - len(long)} {
				require.NoError(t, s.Set(name, text(size)))
			}
			err := s.Flush(ctx)
			require.ErrorIs(t, err, session.ErrTooLarge)
			require.EqualError(t, err, tt.want)
			require.NotContains(t, err.Error(), "xxx")
			store.Heal()
			require.Empty(t, same(t, f, s).Names())
		})
	}
	f := factory(t, session.Config{MaxSize: 1}, newProbe())
	s := f.NewSession()
	require.NoError(t, s.SignIn(ctx, "ada"))
	require.ErrorContains(t, s.Flush(ctx), "it has no values")
}

type tooLargeError struct{}

func (tooLargeError) Error() string        { return driver.ErrTooLarge.Error() + ": 2 KB" }
func (tooLargeError) Is(target error) bool { return target == driver.ErrTooLarge }
