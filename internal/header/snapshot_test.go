package header_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

func TestSnapshot(t *testing.T) {
	h := http.Header{"A": {"1", "2"}, "B": {"3"}, "Date": nil, "Empty": {}}
	s := header.SnapshotOf(h)
	want := h.Clone()
	h["A"][0] = "changed"
	h["B"] = append(h["B"], "4")
	h.Set("C", "5")
	delete(h, "Date")
	for range 2 {
		s.Restore(h)
		require.Equal(t, want, h)
		require.Nil(t, h["Date"])
		h["A"][1] = "changed in what was restored"
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	h := http.Header{}
	s := header.SnapshotOf(h)
	h.Set("A", "1")
	s.Restore(h)
	require.Empty(t, h)
}
