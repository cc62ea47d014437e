package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// client is a client of the API. It sends the newest ID that it has received.
type client struct {
	t   *testing.T
	url string
	id  string
}

// send sends a request and returns the status and the body of the response.
func (c *client) send(method, path, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	r.Header.Set(field, c.id)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	if ids := resp.Header[field]; len(ids) > 0 {
		c.id = ids[0]
	}
	require.Empty(c.t, resp.Cookies())
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func (c *client) signIn(user string) {
	c.t.Helper()
	status, body := c.send("POST", "/sign-in", fmt.Sprintf(`{"user": %q}`, user))
	require.Equal(c.t, http.StatusOK, status, body)
	require.NotEmpty(c.t, c.id)
}

// socket opens a websocket.
func (c *client) socket() *websocket.Conn {
	c.t.Helper()
	options := &websocket.DialOptions{HTTPHeader: http.Header{field: {c.id}}}
	conn, _, err := websocket.Dial(c.t.Context(), strings.Replace(c.url, "http", "ws", 1)+"/socket", options)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// noted sends a note over a websocket and returns the number of notes.
func noted(t *testing.T, conn *websocket.Conn, text string) (n int) {
	t.Helper()
	require.NoError(t, wsjson.Write(t.Context(), conn, note{text}))
	require.NoError(t, wsjson.Read(t.Context(), conn, &n))
	return n
}

// requireClosed requires that the server closes a websocket, soon and with a reason.
func requireClosed(t *testing.T, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, _, err := conn.Read(ctx)
	require.ErrorAs(t, err, &websocket.CloseError{}, "%v", err)
	require.Equal(t, code, websocket.CloseStatus(err), "%v", err)
	require.ErrorContains(t, err, reason)
}

func start(t *testing.T) (*sessiontest.Factory, *client) {
	f := sessiontest.NewWithConfig(t, config)
	srv := httptest.NewServer(newAPI(f.Factory).handler())
	t.Cleanup(srv.Close)
	return f, &client{t: t, url: srv.URL}
}

func TestNotes(t *testing.T) {
	_, c := start(t)
	status, body := c.send("GET", "/notes", "")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, `{"error":"sign in first"}`, body)
	require.Empty(t, c.id)

	c.signIn("ada")
	_, body = c.send("GET", "/notes", "")
	require.Equal(t, "[]", body)
	status, body = c.send("POST", "/notes", `{"text": "buy milk"}`)
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, `{"text":"buy milk"}`, body)
	_, body = c.send("GET", "/notes", "")
	require.Equal(t, `[{"text":"buy milk"}]`, body)

	for _, malformed := range []string{"", "buy milk", `{"text": 1}`, `{"text": "` + strings.Repeat("x", 100_000) + `"}`} {
		status, body = c.send("POST", "/notes", malformed)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, "not the JSON that was expected")
	}
	status, _ = c.send("POST", "/sign-in", `{"user": ""}`)
	require.Equal(t, http.StatusUnauthorized, status)

	signedIn := c.id
	status, _ = c.send("POST", "/sign-out", "")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, c.id, "the client is told to forget its ID")
	c.id = signedIn
	status, _ = c.send("GET", "/notes", "")
	require.Equal(t, http.StatusUnauthorized, status)
}

// A failing store is answered with the status of Config.OnError, and signs no user out.
func TestOutage(t *testing.T) {
	f, c := start(t)
	c.signIn("ada")
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	status, body := c.send("GET", "/notes", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Empty(t, body)
	f.Store.Heal()
	status, _ = c.send("GET", "/notes", "")
	require.Equal(t, http.StatusOK, status)
}

// A value of the header field that is no ID of a session admits nobody, and neither does a
// cookie.
func TestHostileHeaders(t *testing.T) {
	f, c := start(t)
	c.signIn("ada")
	key := string(session.NewID(c.id).Key())
	for name, header := range map[string]string{
		"no field":                  "",
		"a cookie":                  "Cookie: __Host-session=" + c.id,
		"a cookie beside the field": field + ":\r\nCookie: __Host-session=" + c.id,
		"two IDs in two lines":      field + ": " + c.id + "\r\n" + field + ": " + c.id,
		"two IDs in one line":       field + ": " + c.id + ", " + c.id,
		"the key":                   field + ": " + key,
		"a cut ID":                  field + ": " + c.id[:len(c.id)-1],
		"an ID in quotes":           field + `: "` + c.id + `"`,
		"an ID and a NUL":           field + ": " + c.id + "\x00",
		"a NUL in an ID":            field + ": " + c.id[:9] + "\x00" + c.id[9:],
		"bytes above ASCII":         field + ": \xff\xfe" + c.id,
		"a space before the colon":  field + " : " + c.id,
		"a folded line":             field + ":\r\n " + c.id + "\r\n x",
		"a megabyte":                field + ": " + strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Stats().Retrieved
			status := raw(t, c.url, header)
			require.GreaterOrEqual(t, status, 400, "status")
			require.Less(t, status, 500, "status")
			require.Equal(t, before, f.Stats().Retrieved, "no session was found")
		})
	}
	require.Equal(t, http.StatusOK, raw(t, c.url, field+": "+c.id), "the ID itself")
}

// raw sends a request for the notes, with lines of the header as they are, and returns the
// status of the response.
func raw(t *testing.T, url, header string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	if header != "" {
		header += "\r\n"
	}
	go fmt.Fprintf(conn, "GET /notes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", header)
	var proto string
	var status int
	_, err = fmt.Fscan(conn, &proto, &status)
	require.NoError(t, err)
	return status
}

// A sign-out on another connection closes the websocket with a reason.
func TestSocketEndsAtSignOut(t *testing.T) {
	_, c := start(t)
	c.signIn("ada")
	c.send("POST", "/notes", `{"text": "buy milk"}`)
	conn := c.socket()
	require.Equal(t, 2, noted(t, conn, "buy bread"))
	c.send("POST", "/notes", `{"text": "buy tea"}`)
	require.Equal(t, 4, noted(t, conn, "buy salt"), "the notes of both connections")
	_, body := c.send("GET", "/notes", "")
	require.Contains(t, body, "buy bread")

	c.send("POST", "/sign-out", "")
	requireClosed(t, conn, websocket.StatusPolicyViolation, "signed out")
}

// The websocket closes with its session, whatever ends it, while the client is sending.
func TestSocketEndsWhileInUse(t *testing.T) {
	f, c := start(t)
	for reason, end := range map[string]func() error{
		"all of subject": func() error { return f.DestroySubject(t.Context(), "ada") },
		"changed ID":     func() error { c.signIn("ada"); return nil },
	} {
		c.signIn("ada")
		conn := c.socket()
		sent := make(chan error, 1)
		go func() {
			for {
				if err := wsjson.Write(t.Context(), conn, note{"x"}); err != nil {
					sent <- err
					return
				}
			}
		}()
		require.NoError(t, end())
		var err error
		for err == nil {
			_, _, err = conn.Read(t.Context())
		}
		require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err), "%s: %v", reason, err)
		require.ErrorContains(t, err, "session: ")
		require.Error(t, <-sent)
	}
}

// Only users who have signed in get a websocket, and no page of another site does.
func TestSocketIsRefused(t *testing.T) {
	_, c := start(t)
	status, _ := c.send("GET", "/socket", "")
	require.Equal(t, http.StatusUnauthorized, status)
	c.signIn("ada")
	options := &websocket.DialOptions{HTTPHeader: http.Header{field: {c.id}, "Origin": {"https://evil.example"}}}
	_, resp, err := websocket.Dial(t.Context(), strings.Replace(c.url, "http", "ws", 1)+"/socket", options)
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
}

// A note that can't be stored closes the websocket.
func TestSocketOfFailingStore(t *testing.T) {
	f, c := start(t)
	c.signIn("ada")
	conn := c.socket()
	require.Equal(t, 1, noted(t, conn, "buy milk"))
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
	require.NoError(t, wsjson.Write(t.Context(), conn, note{"buy bread"}))
	requireClosed(t, conn, websocket.StatusInternalError, "try again later")
}

// A shutdown closes the websockets, and serve returns when they have stored their notes.
func TestShutdown(t *testing.T) {
	f := sessiontest.NewWithConfig(t, config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := newAPI(f.Factory)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, a) }()
	c := &client{t: t, url: "http://" + listener.Addr().String()}
	c.signIn("ada")
	conn := c.socket()
	require.Equal(t, 1, noted(t, conn, "buy milk"))
	cancel()
	requireClosed(t, conn, websocket.StatusGoingAway, "the server shuts down")
	require.NoError(t, <-served)
	require.NoError(t, f.Close())
}

// serve returns the error of a listener that fails.
func TestServeFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, serve(t.Context(), listener, newAPI(sessiontest.New(t).Factory)), net.ErrClosed)
}
