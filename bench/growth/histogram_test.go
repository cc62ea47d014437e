package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Microsecond, .99: 990 * time.Microsecond, 1: time.Millisecond} {
		require.InDelta(t, want, h.quantile(q), float64(want)/8)
	}
	h.add(0)
	h.add(time.Hour)
	require.InDelta(t, time.Hour, h.quantile(1), float64(time.Hour)/8)
}
