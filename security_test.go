package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// An ID in a URL, a form or another header field is ignored (OWASP ASVS 5.0, 14.2.1).
func TestOnlyCookiesAreRead(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := created(t, f).ID().Reveal()
	p.take()
	r := httptest.NewRequest("POST", "https://example.com/?session="+id+"&__Host-session="+id, strings.NewReader("__Host-session="+id))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+id)
	r.Header.Set("X-Session", id)
	f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		require.True(t, current(t, r).IsNew())
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.Empty(t, p.take())
}
