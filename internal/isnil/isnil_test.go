package isnil_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/move"
)

type store struct{ driver.Store }

type wrapper struct{ driver.Store }

func (w wrapper) Unwrap() driver.Store { return w.Store }

func TestValue(t *testing.T) {
	for _, v := range []any{nil, (*store)(nil), (func())(nil)} {
		require.True(t, isnil.Value(v), "%T", v)
	}
	for _, v := range []any{0, "", store{}, &store{}, func() {}, []int(nil), map[string]int(nil)} {
		require.False(t, isnil.Value(v), "%T", v)
	}
}

func TestStore(t *testing.T) {
	some := &store{}
	for name, s := range map[string]driver.Store{
		"nil": nil, "pointer": (*store)(nil), "wrapped": wrapper{nil}, "wrapped twice": wrapper{wrapper{(*store)(nil)}},
		"new": move.New(nil, some), "old": move.New(some, wrapper{nil}),
	} {
		require.True(t, isnil.Store(s), name)
	}
	for name, s := range map[string]driver.Store{"itself": some, "wrapped": wrapper{wrapper{some}}, "two": move.New(some, some)} {
		require.False(t, isnil.Store(s), name)
	}
}
