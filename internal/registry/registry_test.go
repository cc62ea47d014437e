package registry_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/registry"
)

// opening is a driver whose Open returns the given store and error.
type opening struct {
	store driver.Store
	err   error
}

func (o opening) Open(string) (driver.Store, error) { return o.store, o.err }

type store struct{ driver.Store }

func TestRegistry(t *testing.T) {
	mine := errors.New("mine")
	some := &store{}
	registry.Register("some", opening{some, nil})
	registry.Register("failing", opening{nil, mine})
	registry.Register("nothing", opening{nil, nil})
	registry.Register("nil", opening{(*store)(nil), nil})
	require.Equal(t, []string{"failing", "nil", "nothing", "some"}, registry.Drivers())
	require.PanicsWithValue(t, `session: Register called twice for driver "some"`, func() { registry.Register("some", opening{}) })
	require.PanicsWithValue(t, `session: Register of a nil driver as "none"`, func() { registry.Register("none", nil) })
	require.PanicsWithValue(t, `session: Register of a nil driver as "none"`, func() { registry.Register("none", (*opening)(nil)) })

	opened, err := registry.Open("some", "")
	require.NoError(t, err)
	require.Same(t, some, opened)
	_, err = registry.Open("failing", "")
	require.ErrorIs(t, err, mine)
	require.EqualError(t, err, "session: open failing: mine")
	for _, name := range []string{"nothing", "nil"} {
		_, err = registry.Open(name, "")
		require.EqualError(t, err, "session: open "+name+": the driver returned neither a store nor an error")
	}
	_, err = registry.Open("som", "zanary")
	require.EqualError(t, err, `session: unknown driver "som" (did you mean "some"?); registered drivers: failing, nil, nothing, some`)
}
