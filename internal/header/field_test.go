package header_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

func TestNoStore(t *testing.T) {
	for _, tt := range []struct{ before, after []string }{
		{nil, []string{"no-store"}},
		{[]string{"private"}, []string{"private, no-store"}},
		{[]string{"private", "max-age=1"}, []string{"private, max-age=1, no-store"}},
		{[]string{"private,\tNO-STORE "}, []string{"private,\tNO-STORE "}},
		{[]string{"no-store=1"}, []string{"no-store=1, no-store"}},
		{[]string{"no-\u017ftore"}, []string{"no-\u017ftore, no-store"}},
		{[]string{`private="a, no-store, b"`}, []string{`private="a, no-store, b", no-store`}},
	} {
		h := http.Header{}
		if tt.before != nil {
			h["Cache-Control"] = tt.before
		}
		header.NoStore(h)
		require.Equal(t, tt.after, h["Cache-Control"], "%q", tt.before)
	}
}

func TestVaryBy(t *testing.T) {
	for _, tt := range []struct{ before, after []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept"}, []string{"Accept", "Cookie"}},
		{[]string{"Accept, cookie"}, []string{"Accept, cookie"}},
		{[]string{"Accept", "*"}, []string{"Accept", "*"}},
		{[]string{"Coo\u212aie"}, []string{"Coo\u212aie", "Cookie"}},
		{[]string{"X-Cookie"}, []string{"X-Cookie", "Cookie"}},
	} {
		h := http.Header{}
		if tt.before != nil {
			h["Vary"] = tt.before
		}
		header.VaryBy(h, "Cookie")
		require.Equal(t, tt.after, h["Vary"], "%q", tt.before)
	}
}

func TestEqualFold(t *testing.T) {
	require.True(t, header.EqualFold("__HOST-a", "__Host-a"))
	require.False(t, header.EqualFold("__Ho\u017ft-a", "__Host-a"))
	require.False(t, header.EqualFold("Coo\u212aie", "Cookie"))
	require.False(t, header.EqualFold("a", "ab"))
}
