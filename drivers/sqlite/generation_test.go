package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The first connection of a generation waits until all earlier ones are closed or its context ends.
func TestGenerations(t *testing.T) {
	var g generations
	require.EqualValues(t, 0, g.enter(t.Context()))
	require.EqualValues(t, 0, g.enter(t.Context()))
	g.begin()
	g.leave(0)
	g.begin() // while one connection is open
	entered := make(chan int64)
	go func() { entered <- g.enter(t.Context()) }()
	select {
	case <-entered:
		t.Fatal("enter returned while a connection of an earlier generation was open")
	case <-time.After(20 * time.Millisecond):
	}
	g.leave(0)
	require.EqualValues(t, 2, <-entered)
	require.EqualValues(t, 2, g.enter(t.Context()))

	g.begin()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.EqualValues(t, 3, g.enter(ended))
	g.leave(3)
	g.leave(2)
	g.leave(2)
	require.EqualValues(t, 3, g.enter(t.Context()))
	require.Equal(t, 1, g.open)
	require.Zero(t, g.earlier)
	require.Nil(t, g.gone)
}
