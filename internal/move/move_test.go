package move_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/move"
)

// pair is a driver that opens a Store over two stores in memory.
type pair func(to, from driver.Store) driver.Store

func (p pair) Open(dsn string) (driver.Store, error) {
	if strings.Contains(dsn, "?") {
		return nil, errors.New("unknown parameter")
	}
	to, err := memory.Driver{}.Open(dsn + "-new")
	if err != nil {
		return nil, err
	}
	from, err := memory.Driver{}.Open(dsn + "-old")
	if err != nil {
		return nil, err
	}
	return p(to, from), nil
}

// fleet stands for processes at different stages: sessions begin in the old store, and every later
// write moves them.
type fleet struct {
	*move.Store
	prepared *move.Store
}

func (f fleet) Create(ctx context.Context, r *driver.Record) error { return f.prepared.Create(ctx, r) }

var stages = map[string]pair{
	"Prepare": func(to, from driver.Store) driver.Store { return move.Prepare(to, from) },
	"New":     func(to, from driver.Store) driver.Store { return move.New(to, from) },
	"Both":    func(to, from driver.Store) driver.Store { return fleet{move.New(to, from), move.Prepare(to, from)} },
}

func (p pair) target() drivertest.Target {
	return drivertest.Target{
		Driver:     p,
		DSN:        func(t testing.TB) string { return t.Name() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	}
}

func TestConformance(t *testing.T) {
	for name, p := range stages {
		t.Run(name, func(t *testing.T) { drivertest.Run(t, p.target()) })
	}
}

// After an interrupted move, a record that is frozen is not corrupt for processes that move in the
// opposite direction: that would sign a user out.
func TestReversed(t *testing.T) {
	to, from := memory.New(memory.Options{}), memory.New(memory.Options{})
	require.NoError(t, from.Create(t.Context(), newRecord(oldKey, before)))
	starts["frozen"](t, to, from)
	_, err := move.New(from, to).Retrieve(t.Context(), oldKey)
	require.ErrorContains(t, err, "is on its way")
	require.NotErrorIs(t, err, driver.ErrCorrupt)
	_, err = move.New(to, from).Move(t.Context(), oldKey)
	require.NoError(t, err)
	read(t, from, to)
}

// No session is lost if the two stores are the same.
func TestSameStore(t *testing.T) {
	store := memory.New(memory.Options{})
	require.NoError(t, store.Create(t.Context(), newRecord(oldKey, before)))
	_, err := move.New(store, store).Move(t.Context(), oldKey)
	require.ErrorContains(t, err, "they are the same")
	r, err := store.Retrieve(t.Context(), oldKey)
	require.NoError(t, err)
	require.Empty(t, r.Meta, "it is not frozen any more")
}
