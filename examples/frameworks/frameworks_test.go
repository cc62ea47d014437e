package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"gosession.dev/session/sessiontest"
)

// client is a browser, or a client that keeps no cookies.
type client struct {
	t        *testing.T
	do       func(*http.Request) (*http.Response, error)
	base     string
	id       string // of a client that keeps no cookies
	inHeader bool
}

// send sends a request and returns status and body.
func (c *client) send(method, path string, form url.Values) (int, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(form.Encode()))
	require.NoError(c.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.inHeader {
		r.Header.Set("Authorization", "Bearer "+c.id)
	}
	response, err := c.do(r)
	require.NoError(c.t, err)
	defer response.Body.Close()
	if id := response.Header.Get("Session-ID"); id != "" {
		c.id = id
	}
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return response.StatusCode, string(body)
}

// exercise uses all that an application offers. All applications must answer alike.
func (c *client) exercise(f *sessiontest.Factory) {
	c.t.Helper()
	visits := func(want string) {
		c.t.Helper()
		status, body := c.send("GET", "/", nil)
		require.Equal(c.t, http.StatusOK, status)
		require.Equal(c.t, want+"\n", body)
	}
	visits(`1 visits of ""`)
	visits(`2 visits of ""`)
	status, _ := c.send("POST", "/login", url.Values{"user": {"ada"}})
	require.Less(c.t, status, 400)
	visits(`3 visits of "ada"`)

	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	status, _ = c.send("GET", "/", nil)
	require.Equal(c.t, http.StatusServiceUnavailable, status)
	f.Store.Heal()
	visits(`4 visits of "ada"`)

	status, _ = c.send("POST", "/logout", nil)
	require.Less(c.t, status, 400)
	visits(`1 visits of ""`)
}

func TestApplications(t *testing.T) {
	for name, application := range applications {
		t.Run(name, func(t *testing.T) {
			f := sessiontest.New(t)
			server := httptest.NewServer(application(f.Factory))
			t.Cleanup(server.Close)
			jar, err := cookiejar.New(nil)
			require.NoError(t, err)
			browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			c := &client{t: t, do: browser.Do, base: server.URL, inHeader: name == "header"}
			c.exercise(f)
		})
	}
}

func TestFiber(t *testing.T) {
	f := sessiontest.New(t)
	app := withFiber(f.Factory)
	var cookie *http.Cookie
	do := func(r *http.Request) (*http.Response, error) {
		if cookie != nil {
			r.AddCookie(cookie)
		}
		response, err := app.Test(r)
		if err == nil && len(response.Cookies()) > 0 {
			cookie = response.Cookies()[0]
			require.True(t, cookie.Secure && cookie.HttpOnly)
		}
		return response, err
	}
	(&client{t: t, do: do, base: "http://example.com"}).exercise(f)
}

// A response to an error has the cookie of the session too.
func TestFiberErrors(t *testing.T) {
	f := sessiontest.New(t)
	app := withFiber(f.Factory)
	r := httptest.NewRequest("GET", "/nothing", nil)
	response, err := app.Test(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Len(t, response.Cookies(), 1)
	r.AddCookie(response.Cookies()[0])
	response, err = app.Test(r)
	require.NoError(t, err)
	require.Empty(t, response.Cookies(), "the browser has the cookie already")
	sessions := 0
	for _, err := range f.Sessions(t.Context()) {
		require.NoError(t, err)
		sessions++
	}
	require.Equal(t, 1, sessions)
}

func TestGRPC(t *testing.T) {
	f := sessiontest.New(t)
	server := withGRPC(f.Factory)
	listener := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })

	id := ""
	call := func(service string) (string, error) {
		var header metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), sessionID, id)
		_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.Header(&header))
		if ids := header.Get(sessionID); len(ids) > 0 {
			id = ids[0]
		}
		return strings.Join(header.Get("visits"), ""), err
	}
	said, err := call("unknown")
	require.Equal(t, "NotFound", status.Code(err).String())
	require.Equal(t, `1 visits of ""`, said)
	said, err = call("")
	require.NoError(t, err)
	require.Equal(t, `2 visits of ""`, said)
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
	_, err = call("")
	require.Equal(t, "Unavailable", status.Code(err).String())
	f.Store.Heal()
	said, err = call("")
	require.NoError(t, err)
	require.Equal(t, `3 visits of ""`, said)
}
