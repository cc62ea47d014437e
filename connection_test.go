package session_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// Tests over real connections, with HTTP/1.1 and HTTP/2.

// peer is a client of a server with one protocol. It keeps no cookies.
type peer struct {
	t      *testing.T
	srv    *httptest.Server
	client *http.Client
}

func overBoth(t *testing.T, f *session.Factory, h http.HandlerFunc, run func(t *testing.T, p *peer)) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(f.Handler(h))
			srv.EnableHTTP2 = proto == "HTTP/2.0"
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			c := srv.Client()
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			p := &peer{t, srv, c}
			require.Equal(t, proto, p.do("GET", "/nothing", session.ID{}).Proto)
			run(t, p)
		})
	}
}

// begin sends a request with a session cookie, unless id is empty. The caller closes the body.
func (p *peer) begin(ctx context.Context, method, path string, id session.ID) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.srv.URL+path, nil)
	require.NoError(p.t, err)
	if id.Reveal() != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-session", Value: id.Reveal()})
	}
	return p.client.Do(req)
}

func (p *peer) do(method, path string, id session.ID) *http.Response {
	p.t.Helper()
	resp, err := p.begin(p.t.Context(), method, path, id)
	require.NoError(p.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(p.t, err)
	require.NoError(p.t, resp.Body.Close())
	return resp
}

// sent returns the ID that a response sets, or "".
func sent(resp *http.Response) session.ID {
	for _, c := range resp.Cookies() {
		return session.NewID(c.Value)
	}
	return session.ID{}
}

func TestCookieOnTheWire(t *testing.T) {
	set := func(w http.ResponseWriter, r *http.Request) { require.NoError(t, current(t, r).Set("n", 1)) }
	for want, cfg := range map[string]session.Config{
		"__Host-session=ID; Path=/; HttpOnly; Secure; SameSite=Lax":                              {},
		"session=ID; Path=/; HttpOnly; SameSite=Lax":                                             {Insecure: true},
		"__Host-x=ID; Path=/; HttpOnly; Secure; SameSite=None; Partitioned":                      {Cookie: session.Cookie{Name: "__Host-x", SameSite: http.SameSiteNoneMode, Partitioned: true}},
		"__Secure-x=ID; Path=/a; Domain=example.com; HttpOnly; Secure; SameSite=Strict":          {Cookie: session.Cookie{Name: "__Secure-x", Domain: "example.com", Path: "/a", SameSite: http.SameSiteStrictMode}},
		"__Host-session=ID; Path=/; Expires=DATE; Max-Age=86399; HttpOnly; Secure; SameSite=Lax": {Timeouts: session.Timeouts{Persistent: true}},
	} {
		f := factory(t, cfg, newProbe())
		overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/nothing" {
				set(w, r)
			}
		}, func(t *testing.T, p *peer) {
			resp := p.do("GET", "/", session.ID{})
			got := strings.Replace(resp.Header.Get("Set-Cookie"), sent(resp).Reveal(), "ID", 1)
			got = regexp.MustCompile(`Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT`).ReplaceAllString(got, "Expires=DATE")
			require.Equal(t, want, strings.Replace(got, "Max-Age=86400", "Max-Age=86399", 1))
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			require.Equal(t, "Cookie", resp.Header.Get("Vary"))
		})
	}
}

// Set-Cookie is sent when the ID or the persistence changes, and at no other time.
func TestSetCookieOnlyWhenNeeded(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nothing" {
			return
		}
		s := current(t, r)
		switch r.URL.Path {
		case "/set":
			require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
		case "/sign-in":
			require.NoError(t, s.SignIn(t.Context(), "ada"))
		case "/change":
			require.NoError(t, s.ChangeID(r.Context()))
		case "/remember":
			require.NoError(t, s.SetTimeouts(session.Timeouts{Persistent: true}))
		case "/sign-out":
			require.NoError(t, s.Destroy(r.Context()))
		}
	}, func(t *testing.T, p *peer) {
		var id session.ID
		for _, step := range []struct {
			path string
			sets bool
		}{
			{"/read", false}, {"/set", true}, {"/set", false}, {"/read", false}, {"/nothing", false}, {"/sign-in", true},
			{"/set", false}, {"/remember", true}, {"/remember", false}, {"/set", false}, {"/change", true}, {"/read", false},
		} {
			resp := p.do("GET", step.path, id)
			require.Equal(t, step.sets, sent(resp).Reveal() != "", step.path)
			if now := sent(resp); now.Reveal() != "" {
				if step.path == "/sign-in" || step.path == "/change" {
					require.NotEqual(t, id, now)
					_, err := f.Retrieve(t.Context(), id)
					require.ErrorIs(t, err, session.ErrNotFound, "the old ID finds nothing")
				}
				id = now
			}
		}
		resp := p.do("GET", "/sign-out", id)
		require.Contains(t, resp.Header.Get("Set-Cookie"), "__Host-session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0")
		_, err := f.Retrieve(t.Context(), id)
		require.ErrorIs(t, err, session.ErrNotFound)
		require.Empty(t, p.do("GET", "/read", id).Cookies(), "the ID of an ended session is not cleared")
	})
}

// If another request signs in while this one is in flight, its response neither clears nor replaces
// the new cookie, and its changes are dropped without an error page.
func TestOvertakenBySignIn(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	loaded, goOn := make(chan bool), make(chan bool)
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			s := current(t, r)
			loaded <- true
			<-goOn
			require.NoError(t, s.Set("late", 1))
			fmt.Fprint(w, "done")
		case "/sign-in":
			require.NoError(t, current(t, r).SignIn(t.Context(), "ada"))
		case "/read":
			current(t, r)
		case "/write":
			require.NoError(t, current(t, r).Set("late", 1))
			require.NoError(t, session.Update(current(t, r), "n", func(n int) int { return n + 1 }))
			fmt.Fprint(w, "done")
		}
	}, func(t *testing.T, p *peer) {
		old := created(t, f).ID()
		done := make(chan *http.Response)
		go func() { done <- p.do("GET", "/slow", old) }()
		<-loaded
		signedIn := sent(p.do("GET", "/sign-in", old))
		goOn <- true
		slow := <-done
		require.Equal(t, http.StatusOK, slow.StatusCode)
		require.Empty(t, slow.Header.Values("Set-Cookie"))
		for _, path := range []string{"/read", "/write"} {
			late := p.do("GET", path, old)
			require.Equal(t, http.StatusOK, late.StatusCode, path)
			require.Empty(t, late.Header.Values("Set-Cookie"), path)
		}
		s, err := f.Retrieve(t.Context(), signedIn)
		require.NoError(t, err)
		require.Equal(t, "ada", s.Subject())
		require.False(t, s.Has("late"))
		again := sent(p.do("GET", "/sign-in", old))
		require.NotEmpty(t, again, "the client may not have got the first response")
		require.NotEqual(t, signedIn, again)
	})
}

// Server-sent events: the cookie leaves with the first Flush, long before the end.
func TestServerSentEvents(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nothing" {
			return
		}
		s := current(t, r)
		require.NoError(t, s.Set("n", 1))
		w.Header().Set("Content-Type", "text/event-stream")
		require.NoError(t, http.NewResponseController(w).Flush())
		fmt.Fprint(w, "data: hello\n\n")
		w.(http.Flusher).Flush()
		<-done(t, r.Context(), s)
		fmt.Fprint(w, "data: bye\n\n")
	}, func(t *testing.T, p *peer) {
		resp, err := p.begin(t.Context(), "GET", "/events", session.ID{})
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		require.True(t, lines.Scan())
		require.Equal(t, "data: hello", lines.Text())
		id := sent(resp)
		s, err := f.Retrieve(t.Context(), id)
		require.NoError(t, err)
		require.True(t, s.Has("n"))
		require.NoError(t, f.Destroy(t.Context(), id.Key()))
		require.True(t, lines.Scan())
		require.Empty(t, lines.Text())
		require.True(t, lines.Scan())
		require.Equal(t, "data: bye", lines.Text(), "the stream has ended with the session")
	})
}

func TestBodilessAndPartialResponses(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	content := strings.Repeat("0123456789", 100_000)
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nothing" {
			require.NoError(t, current(t, r).Set("n", 1))
			http.ServeContent(w, r, "a.txt", time.Unix(1_000_000, 0), strings.NewReader(content))
		}
	}, func(t *testing.T, p *peer) {
		for name, tt := range map[string]struct {
			method, header, value string
			status, size          int
		}{
			"whole":        {"GET", "X-None", "", http.StatusOK, len(content)},
			"HEAD":         {"HEAD", "X-None", "", http.StatusOK, 0},
			"part":         {"GET", "Range", "bytes=10-29", http.StatusPartialContent, 20},
			"not modified": {"GET", "If-Modified-Since", time.Unix(1_000_000, 0).UTC().Format(http.TimeFormat), http.StatusNotModified, 0},
		} {
			req, err := http.NewRequest(tt.method, p.srv.URL+"/a.txt", nil)
			require.NoError(t, err)
			req.Header.Set(tt.header, tt.value)
			resp, err := p.client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, tt.status, resp.StatusCode, name)
			require.Len(t, body, tt.size, name)
			require.NotEmpty(t, sent(resp), name)
			_, err = f.Retrieve(t.Context(), sent(resp))
			require.NoError(t, err, name)
		}
	})
}

// After a panic of the handler nothing more is stored. What it had sent stays sent.
func TestPanics(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nothing" {
			return
		}
		require.NoError(t, current(t, r).Set("before", 1))
		if r.URL.Path == "/after" {
			fmt.Fprint(w, strings.Repeat("x", 1000))
			require.NoError(t, http.NewResponseController(w).Flush())
			require.NoError(t, current(t, r).Set("after", 1))
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, p *peer) {
		for path, stored := range map[string]bool{"/before": false, "/after": true} {
			id := created(t, f).ID()
			resp, err := p.begin(t.Context(), "GET", path, id)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, resp.Body.Close())
			}
			require.Error(t, err, "the client learns of it")
			s, err := f.Retrieve(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, stored, s.Has("before"))
			require.False(t, s.Has("after"))
		}
	})
}

// If the client goes away, its changes are stored.
func TestClientLeaves(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	entered := make(chan bool)
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nothing" {
			return
		}
		s := current(t, r)
		entered <- true
		<-r.Context().Done()
		require.NoError(t, s.Set("n", 1))
	}, func(t *testing.T, p *peer) {
		id := created(t, f).ID()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-entered
			cancel()
		}()
		if resp, err := p.begin(ctx, "GET", "/", id); err == nil { // the response came before the connection ended
			require.NoError(t, resp.Body.Close())
		} else {
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Eventually(t, func() bool {
			s, err := f.Retrieve(t.Context(), id)
			return err == nil && s.Has("n")
		}, time.Minute, time.Millisecond)
	})
}

// Behind a proxy that terminates TLS, the cookie is Secure.
func TestBehindProxy(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	app := httptest.NewServer(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, session.Update(current(t, r), "n", func(n int) int { return n + 1 }))
	})))
	t.Cleanup(app.Close)
	to, err := url.Parse(app.URL)
	require.NoError(t, err)
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(front.Close)
	c := browser(t, front)
	first := c.get("/").Cookies()
	require.Len(t, first, 1)
	require.True(t, first[0].Secure)
	require.Empty(t, c.get("/").Cookies(), "the browser has the cookie, and the store knows its ID")
}

// Of several cookies with the name, the first one that the store knows is used. An unknown one is
// not cleared; a malformed one is, however long.
func TestCookiesOfTheName(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	known := created(t, f)
	require.NoError(t, known.Set("known", true))
	require.NoError(t, known.Flush(t.Context()))
	unknown := strings.Repeat("x", 32)
	overBoth(t, f, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nothing" {
			fmt.Fprint(w, current(t, r).Has("known"))
		}
	}, func(t *testing.T, p *peer) {
		for _, tt := range []struct {
			values       []string
			found, clear bool
		}{
			{[]string{known.ID().Reveal()}, true, false},
			{[]string{unknown, known.ID().Reveal()}, true, false},
			{[]string{"malformed", unknown, known.ID().Reveal(), "x"}, true, false},
			{[]string{unknown}, false, false},
			{[]string{unknown, "malformed"}, false, false},
			{[]string{"malformed"}, false, true},
			{[]string{""}, false, true},
			{[]string{strings.Repeat("a", 33)}, false, true},
			{[]string{strings.Repeat("a", 100_000)}, false, true},
			{[]string{`"` + known.ID().Reveal() + `"`}, true, false}, // as java.net sends it
			{[]string{`"` + unknown + `"`}, false, false},
			{[]string{`""` + known.ID().Reveal() + `""`}, false, true},
			{[]string{`"` + known.ID().Reveal()}, false, true},
			{[]string{`" ` + known.ID().Reveal() + `"`}, false, true},
			{[]string{`"\x` + known.ID().Reveal()[2:] + `"`}, false, true},
			{[]string{`"`}, false, true},
			{[]string{`""`}, false, true},
		} {
			req, err := http.NewRequest("GET", p.srv.URL, nil)
			require.NoError(t, err)
			req.Header.Set("Cookie", "__Host-session="+strings.Join(tt.values, "; __Host-session="))
			resp, err := p.client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, fmt.Sprint(tt.found), string(body), "%.60q", tt.values)
			require.Equal(t, tt.clear, strings.HasPrefix(resp.Header.Get("Set-Cookie"), "__Host-session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0;"), "%.60q", tt.values)
		}
	})
}

// Cookies of any bytes and sizes: an unknown ID is never adopted, nothing panics, and a malformed
// cookie does not reach the store and is cleared.
func TestHostileCookies(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	srv := serve(t, f, func(w http.ResponseWriter, r *http.Request) {
		require.True(t, current(t, r).IsNew())
		fmt.Fprint(w, "x")
	})
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	replies := bufio.NewReader(conn)
	random := rand.New(rand.NewPCG(1, 2))
	statuses := map[int]int{}
	for i := range 1000 {
		value := make([]byte, []int{0, 1, 31, 32, 33, 4096, 100_000}[i%7])
		for j := range value {
			switch b := byte(random.Uint32()); {
			case b == '\r' || b == '\n' || i%3 == 0 && (b < ' ' || b > '~'):
				value[j] = 'A'
			default:
				value[j] = b
			}
		}
		var req bytes.Buffer
		fmt.Fprintf(&req, "GET / HTTP/1.1\r\nHost: x\r\nCookie: __Host-session=%s\r\n\r\n", value)
		_, err := conn.Write(req.Bytes())
		require.NoError(t, err)
		resp, err := http.ReadResponse(replies, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		statuses[resp.StatusCode]++
		if resp.StatusCode == http.StatusBadRequest { // of net/http itself, which then closes the connection
			conn, err = tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, err)
			replies = bufio.NewReader(conn)
			continue
		}
		require.Equal(t, http.StatusOK, resp.StatusCode)
		for _, c := range resp.Cookies() {
			require.Empty(t, c.Value)
			require.Negative(t, c.MaxAge)
		}
		if len(value) != 32 && len(value) > 0 && !bytes.ContainsAny(value, ";") {
			require.Len(t, resp.Cookies(), 1, "%d bytes", len(value))
		}
	}
	require.Greater(t, statuses[http.StatusOK], 250)
	require.Less(t, p.take()["Retrieve"], 250, "the store is asked only for well-formed IDs")
	for range f.Sessions(t.Context()) {
		t.Fatal("a cookie has created a session; want none")
	}
}
