package move_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/move"
)

// pair opens stores over two in memory.
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

// fleet is one whose processes are not all at the same stage: what begins, begins
// in the old store, and whatever is done to it then moves it.
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

// Of Both there is none: that something moves is a conflict to who has read it before,
// which a history takes for one too many.
func TestHistories(t *testing.T) {
	for _, name := range []string{"Prepare", "New"} {
		t.Run(name, func(t *testing.T) { drivertest.Histories(t, stages[name].target(), 3*time.Second) })
	}
}

// What an interrupted move has frozen is not garbage if the fleet goes back: that would
// sign a user out.
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

// Nothing is lost if the two are the same.
func TestSameStore(t *testing.T) {
	store := memory.New(memory.Options{})
	require.NoError(t, store.Create(t.Context(), newRecord(oldKey, before)))
	_, err := move.New(store, store).Move(t.Context(), oldKey)
	require.ErrorContains(t, err, "they are the same")
	r, err := store.Retrieve(t.Context(), oldKey)
	require.NoError(t, err)
	require.Empty(t, r.Meta, "it is not frozen any more")
}
