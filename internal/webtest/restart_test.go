package webtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// Two processes serve one address, and their database is killed and started again. Meanwhile the
// browser gets 503 and keeps its cookie; then the users are signed in as before.
func TestDatabaseRestarts(t *testing.T) {
	browser := startBrowser(t)
	for driver, start := range map[string]func(t *testing.T) (*testserver.Server, string){
		"redis": func(t *testing.T) (*testserver.Server, string) {
			server := testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
			return server.Server, "redis://" + server.Addr
		},
		"postgres": func(t *testing.T) (*testserver.Server, string) {
			server := testserver.StartPostgres(t)
			return server.Server, server.DSN(server.NewDatabase(t), "")
		},
		"mysql": func(t *testing.T) (*testserver.Server, string) {
			server := testserver.StartMariaDB(t)
			return server.Server, server.DSN(server.NewDatabase(t), "")
		},
	} {
		t.Run(driver, func(t *testing.T) {
			server, dsn := start(t)
			if server == nil {
				t.Skip("the environment names the server, which the test can't stop")
			}
			address := inTurn(t, startShop(t, driver, dsn), startShop(t, driver, dsn))
			laptop, phone := profile(t, browser, address), profile(t, browser, address)
			laptop.click(`button[value=Apples]`)
			laptop.signIn("Ada")
			phone.signIn("Ada")
			open := laptop.another() // it would leave the page if its session ended
			laptopCookie, phoneCookie := laptop.cookie().Value, phone.cookie().Value

			server.Stop()
			for _, tb := range []*tab{laptop, phone} {
				for range 2 { // at each process
					require.Equal(t, http.StatusServiceUnavailable, tb.status())
				}
			}
			require.Equal(t, laptopCookie, laptop.cookie().Value)
			require.Equal(t, phoneCookie, phone.cookie().Value)

			server.Start()
			for _, tb := range []*tab{laptop, phone} {
				for range 2 {
					require.Eventually(t, func() bool { return tb.status() == http.StatusOK }, soon, 100*time.Millisecond)
					tb.sees("#user", "Ada")
				}
			}
			laptop.sees("#total", "1")
			open.sees("#user", "Ada")
			require.Equal(t, laptopCookie, laptop.cookie().Value)
			require.Equal(t, phoneCookie, phone.cookie().Value)

			laptop.click(`form[action="/devices/end-others"] button`)
			laptop.sees("#flash", "All other devices are signed out.")
			for range 2 {
				phone.open()
				require.False(t, phone.has("#user"), "signed out at both processes")
				laptop.open()
				laptop.sees("#user", "Ada")
			}
		})
	}
}

// status opens the page and returns the status of the answer.
func (tb *tab) status() int {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Navigate(tb.url))
	require.NoError(tb.t, err)
	return int(response.Status)
}

// inTurn starts a reverse proxy that sends requests to the processes in turn, and returns its URL.
func inTurn(t *testing.T, processes ...string) (address string) {
	t.Helper()
	var targets []*url.URL
	for _, process := range processes {
		target, err := url.Parse(process)
		require.NoError(t, err)
		targets = append(targets, target)
	}
	var requests atomic.Int64
	srv := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(targets[int(requests.Add(1))%len(targets)])
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(func() {
		srv.CloseClientConnections() // Close waits for the streams of open pages
		srv.Close()
	})
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/"
}
