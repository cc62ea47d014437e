package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// A page that is open is told when its session has ended elsewhere.
func TestEventsOfAnEndedSession(t *testing.T) {
	sessions, err := session.Open("memory", "")
	require.NoError(t, err)
	defer sessions.Close()
	srv := httptest.NewTLSServer(newShop(sessions).handler())
	defer srv.Close()
	ada := newVisitor(t, srv.URL, srv.Client().Transport)
	none, err := ada.http.Get(srv.URL + "/events")
	require.NoError(t, err)
	require.NoError(t, none.Body.Close())
	require.Equal(t, http.StatusNoContent, none.StatusCode, "a visitor who has not signed in gets no stream")

	ada.post("/sign-in", "name", "Ada")
	stream, err := ada.http.Get(srv.URL + "/events")
	require.NoError(t, err)
	defer stream.Body.Close()
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	require.NoError(t, sessions.DestroySubject(t.Context(), "Ada"))
	text, err := io.ReadAll(stream.Body)
	require.NoError(t, err)
	require.Equal(t, "event: ended\ndata:\n\n", string(text))
}

// The program shuts down at once although a page has its stream open.
func TestShutdownEndsStreams(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-driver", "memory", "-addr", "127.0.0.1:0"}, out) }()
	url := ""
	for lines := bufio.NewScanner(said); url == "" && lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "http://"); found {
			url = "http://" + strings.TrimSuffix(strings.Fields(rest)[0], "/")
		}
	}
	ada := newVisitor(t, url, &http.Transport{DialContext: (&net.Dialer{}).DialContext})
	ada.post("/sign-in", "name", "Ada")
	stream, err := ada.http.Get(url + "/events")
	require.NoError(t, err)
	defer stream.Body.Close()
	cancel()
	require.NoError(t, <-ended, "the streams have ended before the deadline of Shutdown")
}
