package cookie_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/cookie"
)

// With Config.Header, the response to a request that changes the session has the new token in the
// header field, and sets no cookie.
func TestHeaderCarriesToken(t *testing.T) {
	secret, err := session.NewSecret(make([]byte, 32))
	require.NoError(t, err)
	store, err := cookie.New(cookie.Options{Secrets: []session.Secret{secret}, Unrevocable: true})
	require.NoError(t, err)
	f, err := session.Config{Header: "X-Session"}.New(store)
	require.NoError(t, err)
	defer f.Close()
	h := f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if r.Method == http.MethodPost {
			if err := session.Update(s, "n", func(n int) int { return n + 1 }); err != nil {
				return err
			}
		}
		n, err := session.Get[int](s, "n")
		fmt.Fprint(w, n)
		return err
	})
	token := ""
	do := func(method, want string, wantToken bool) {
		t.Helper()
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("X-Session", token)
		w := httptest.NewRecorder()
		h(w, r)
		require.Equal(t, want, w.Body.String())
		require.Empty(t, w.Header()["Set-Cookie"])
		require.Equal(t, wantToken, len(w.Header()["X-Session"]) == 1)
		if wantToken {
			require.NotEqual(t, token, w.Header().Get("X-Session"))
			token = w.Header().Get("X-Session")
		}
	}
	do("GET", "0", false)
	do("POST", "1", true)
	do("POST", "2", true)
	do("GET", "2", false)
	token += "," + token
	do("GET", "0", true)
	require.Empty(t, token)
}
