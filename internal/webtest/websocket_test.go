package webtest

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memory"
)

// A websocket opens with the session cookie, stores the message that it receives, and closes when
// its user signs out in another request.
func TestWebsocketClosesAtSignOut(t *testing.T) {
	f, err := session.Open("memory", "")
	require.NoError(t, err)
	defer f.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/sign-in", func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
	})
	mux.HandleFunc("/sign-out", func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.Destroy(r.Context()))
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.Equal(t, "ada", s.Subject())
		conn, err := websocket.Accept(w, r, nil)
		require.NoError(t, err)
		defer conn.CloseNow()
		ctx, cancel := s.Context(r.Context())
		defer cancel()
		context.AfterFunc(ctx, func() { _ = conn.Close(websocket.StatusPolicyViolation, "signed out") })
		for {
			// Read and Write don't get ctx: if their context ends, they cut the connection
			// without a close frame, and the client does not learn why.
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			require.NoError(t, s.Set("heard", string(text)))
			require.NoError(t, s.Flush(ctx))
			require.NoError(t, conn.Write(r.Context(), websocket.MessageText, text))
		}
	})
	srv := httptest.NewServer(f.Handler(mux))
	defer srv.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c := &http.Client{Jar: jar}
	get := func(path string) {
		resp, err := c.Get(srv.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	get("/sign-in")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(srv.URL, "http", "ws", 1)+"/socket", &websocket.DialOptions{HTTPClient: c})
	require.NoError(t, err)
	defer conn.CloseNow()
	require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte("hello")))
	_, echo, err := conn.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(echo))
	req := httptest.NewRequest("GET", srv.URL, nil)
	s, err := f.Retrieve(ctx, session.NewID(jar.Cookies(req.URL)[0].Value))
	require.NoError(t, err)
	heard, err := session.Get[string](s, "heard")
	require.NoError(t, err)
	require.Equal(t, "hello", heard)

	get("/sign-out")
	_, _, err = conn.Read(ctx)
	require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
	require.NoError(t, ctx.Err(), "at once, and not by the timeout")
}
