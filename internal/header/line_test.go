package header_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

func TestCookieLine(t *testing.T) {
	shared := append(make([]string, 0, 8), "a=1")
	h := http.Header{"Set-Cookie": shared, "Cache-Control": {"private"}}
	line := header.CookieLine(&http.Cookie{Name: "session", Value: "x"})
	require.False(t, line.IsIn(h))
	line.Send(h)
	require.True(t, line.IsIn(h))
	require.Equal(t, http.Header{"Set-Cookie": {"a=1", "session=x"}, "Cache-Control": {"private, no-store"}}, h)
	require.Equal(t, []string{"a=1", ""}, shared[:2], "a slice that the handler may share")

	before := h["Set-Cookie"]
	line.Remove(h)
	require.Equal(t, []string{"a=1"}, h["Set-Cookie"])
	require.Equal(t, []string{"a=1", "session=x"}, before)
	header.Line{Field: "Set-Cookie", Text: "a=1"}.Remove(h)
	require.NotContains(t, h, "Set-Cookie")
}

// A field other than Set-Cookie has one line.
func TestFieldLine(t *testing.T) {
	h := http.Header{"X-Session": {"of the handler"}}
	line := header.Line{Field: "X-Session", Text: "x"}
	line.Send(h)
	require.Equal(t, http.Header{"X-Session": {"x"}, "Cache-Control": {"no-store"}}, h)
	require.True(t, line.IsIn(h))
	header.Add(h, "X-Session", "another")
	require.False(t, line.IsIn(h))
	line.Send(h)
	line.Remove(h)
	require.NotContains(t, h, "X-Session")
	require.True(t, header.Line{}.IsZero())
	require.False(t, line.IsZero())
}
