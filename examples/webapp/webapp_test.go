package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/internal/port"
	"gosession.dev/session/internal/testserver"
	"gosession.dev/session/sessiontest"
)

// visitor is a client that keeps cookies and follows redirects, as a browser does.
type visitor struct {
	t    *testing.T
	url  string
	http *http.Client
}

func newVisitor(t *testing.T, url string, transport http.RoundTripper) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, url, &http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second}}
}

func (v *visitor) see() string {
	v.t.Helper()
	resp, err := v.http.Get(v.url + "/")
	return v.body(resp, err)
}

func (v *visitor) post(path string, fields ...string) string {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	resp, err := v.http.PostForm(v.url+path, form)
	return v.body(resp, err)
}

func (v *visitor) body(resp *http.Response, err error) string {
	v.t.Helper()
	require.NoError(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, resp.StatusCode, "%s", body)
	return string(body)
}

// cookie returns the value of the session cookie, or "".
func (v *visitor) cookie() string {
	u, err := url.Parse(v.url)
	require.NoError(v.t, err)
	for _, c := range v.http.Jar.Cookies(u) {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	return ""
}

var deviceOnPage = regexp.MustCompile(`name="device" value="([^"]+)"`)

func TestShop(t *testing.T) {
	for driver, dsn := range map[string]func(t *testing.T) string{
		"memory": func(t *testing.T) string { return "" },
		"sqlite": func(t *testing.T) string { return "file:" + filepath.Join(t.TempDir(), "shop.db") },
		"cookie": func(t *testing.T) string {
			return "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&revocations=sqlite:" + filepath.Join(t.TempDir(), "ended.db")
		},
		"memcache": func(t *testing.T) string { return testserver.StartMemcached(t).Addr + testserver.Patient },
		"mongo": func(t *testing.T) string {
			return testserver.StartMongo(t).DSN(fmt.Sprintf("t%d", time.Now().UnixNano()), "data=document")
		},
		"redis": func(t *testing.T) string { return "redis://" + testserver.StartRedis(t).Addr + "?timeout=1m" },
		"postgres": func(t *testing.T) string {
			server := testserver.StartPostgres(t, "fsync=off")
			return server.DSN(server.NewDatabase(t), "")
		},
		"mysql": func(t *testing.T) string {
			server := testserver.StartMariaDB(t, "innodb_flush_log_at_trx_commit=0")
			return server.DSN(server.NewDatabase(t), "")
		},
	} {
		t.Run(driver, func(t *testing.T) {
			sessions, err := session.Open(driver, dsn(t))
			require.NoError(t, err)
			defer sessions.Close()
			require.NoError(t, sessions.Ping(t.Context()))
			srv := httptest.NewTLSServer(newShop(sessions).handler())
			defer srv.Close()
			goShopping(t, srv.URL, srv.Client().Transport, driver)
		})
	}
}

// goShopping does all that the page offers, with two browsers of one user. Some backends
// can't list a user's devices, or can't end them.
func goShopping(t *testing.T, url string, transport http.RoundTripper, driver string) {
	laptop, phone := newVisitor(t, url, transport), newVisitor(t, url, transport)
	require.Contains(t, laptop.see(), "Nothing yet")
	require.Empty(t, laptop.cookie(), "a visitor who only looks has no session")

	require.Contains(t, laptop.post("/cart", "fruit", "Apples"), "Apples are in your cart.")
	anonymous := laptop.cookie()
	require.NotEmpty(t, anonymous)
	require.NotContains(t, laptop.see(), "are in your cart", "a message is shown once")
	require.Contains(t, laptop.see(), `<span id="total">1</span>`)

	require.Contains(t, laptop.post("/cart/change", "Apples", "3", "Pears", "2"), `<span id="total">5</span>`)
	require.Contains(t, laptop.post("/cart/change", "Apples", "9", "Pears", "many"), "Nothing was changed.")
	page := laptop.see()
	require.Contains(t, page, `<span id="total">5</span>`, "the form is stored as a whole or not at all")
	require.NotContains(t, page, "Nothing was changed.")
	require.Contains(t, laptop.post("/cart/empty"), "Your cart is empty.")
	require.Contains(t, laptop.see(), "Nothing yet")
	laptop.post("/cart", "fruit", "Apples")

	page = laptop.post("/sign-in", "name", "<Ada>")
	require.Contains(t, page, "Welcome, &lt;Ada&gt;!")
	require.Contains(t, page, `<span id="total">1</span>`, "the cart stays")
	require.NotEqual(t, anonymous, laptop.cookie(), "the ID changes at sign-in")
	require.NotContains(t, page, laptop.cookie())

	phone.post("/sign-in", "name", "<Ada>", "remember", "yes")
	other := newVisitor(t, url, transport)
	other.post("/sign-in", "name", "Bob")
	if driver != "memcache" && driver != "cookie" {
		endOneDevice(t, laptop, phone, other)
	}
	phone.post("/sign-in", "name", "<Ada>")
	if driver == "cookie" {
		require.Contains(t, phone.post("/devices/end-others"), "other devices can&#39;t be signed out")
	} else {
		require.Contains(t, phone.post("/devices/end-others"), "All other devices are signed out.")
		require.NotContains(t, laptop.see(), "Signed in as")
	}
	require.Contains(t, other.see(), "Signed in as")

	old := phone.cookie()
	require.Contains(t, phone.post("/sign-out"), "You are signed out.")
	require.NotEqual(t, old, phone.cookie())
	require.NotContains(t, phone.see(), "Signed in as")

	require.Contains(t, phone.post("/sign-in", "name", "  "), "Please tell your name.")
	require.Contains(t, phone.post("/sign-in", "name", strings.Repeat("x", 300)), "Please tell a shorter name.")
	require.Contains(t, phone.post("/devices/end-others"), "Please sign in first.")
}

func endOneDevice(t *testing.T, laptop, phone, other *visitor) {
	page := laptop.see()
	handles := deviceOnPage.FindAllStringSubmatch(page, -1)
	require.Len(t, handles, 1, "the phone; the laptop itself has no button, and Bob is another user")
	require.Contains(t, page, "this one")
	require.Contains(t, page, "A browser on something")
	require.Regexp(t, `<td><time datetime="[-0-9]+T[:0-9]+Z">\d+ \w+ \d\d:\d\d:\d\d UTC</time></td>\s*<td><time`, page)
	require.NotContains(t, page, ">End<")

	require.Contains(t, other.post("/devices/end", "device", handles[0][1]), "signed out already", "Bob can't end a device of Ada")
	require.Contains(t, phone.see(), "Signed in as")
	require.Contains(t, laptop.post("/devices/end", "device", handles[0][1]), "That device is signed out.")
	require.Contains(t, phone.see(), "Sign in", "the phone is signed out at its next request")
	require.Contains(t, laptop.post("/devices/end", "device", handles[0][1]), "signed out already")
	require.Contains(t, laptop.see(), "Signed in as")
}

// A user whose session has expired is told so, once.
func TestExpiredSession(t *testing.T) {
	f := sessiontest.New(t)
	srv := httptest.NewTLSServer(newShop(f.Factory).handler())
	defer srv.Close()
	ada := newVisitor(t, srv.URL, srv.Client().Transport)
	require.Contains(t, ada.post("/devices/end-others"), "Please sign in first.")
	ada.post("/sign-in", "name", "Ada")
	resp, err := ada.http.Get(srv.URL + "/sign-in")
	require.Contains(t, ada.body(resp, err), "Signed in as", "a user who has signed in is not asked again")
	f.Clock.Advance(2 * time.Hour)
	require.Contains(t, ada.post("/devices/end-others"), "Your session has expired.")
	require.Contains(t, ada.post("/devices/end-others"), "Please sign in first.")
	require.Empty(t, ada.cookie())
}

// Errors of the session are answered with a text for the user and with the status that
// Config.OnError documents.
func TestErrorPages(t *testing.T) {
	f := sessiontest.NewWithConfig(t, session.Config{OnError: answerError})
	handler := newShop(f.Factory).handler()
	show := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(sessiontest.SignIn(t, f, "Ada", map[string]any{"flash": "Welcome!"}).Cookie())
		f.Store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		f.Store.Heal()
		return w
	}
	w := show()
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "Please try again in a minute.\n", w.Body.String())
	for err, want := range map[error]int{
		session.ErrSealed:      http.StatusServiceUnavailable,
		session.ErrStaleSignIn: http.StatusForbidden,
		io.ErrUnexpectedEOF:    http.StatusInternalServerError,
	} {
		w := httptest.NewRecorder()
		answerError(w, httptest.NewRequest("GET", "/", nil), fmt.Errorf("test: %w", err))
		require.Equal(t, want, w.Code, "%v", err)
	}
}

// A form of another site changes nothing and gets no session.
func TestCrossSiteFormIsRefused(t *testing.T) {
	sessions, err := session.Open("memory", "")
	require.NoError(t, err)
	defer sessions.Close()
	r := httptest.NewRequest("POST", "https://shop.example/cart", strings.NewReader("fruit=Apples"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	newShop(sessions).handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Empty(t, w.Header().Values("Set-Cookie"))
}

// The README's command keeps sessions in a file by default, so they survive a restart.
func TestCommandKeepsSessionsOverRestart(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "webapp")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", bin, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	addr, release, err := port.Reserve()
	require.NoError(t, err)
	defer release()
	url, stop := start(t, bin, dir, "-addr", addr)
	ada := newVisitor(t, url, nil)
	ada.post("/sign-in", "name", "Ada")
	require.Contains(t, ada.post("/cart", "fruit", "Pears"), `<span id="total">1</span>`)
	stop()
	_, err = os.Stat(filepath.Join(dir, "webapp.db"))
	require.NoError(t, err)

	again, stop := start(t, bin, dir, "-addr", addr)
	defer stop()
	require.Equal(t, url, again)
	page := ada.see()
	require.Contains(t, page, "Signed in as")
	require.Contains(t, page, `<span id="total">1</span>`)
}

// start runs the binary in dir. The caller calls stop, which requires that the program ends
// without an error.
func start(t *testing.T, bin, dir string, args ...string) (url string, stop func()) {
	t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for url == "" && lines.Scan() {
		_, rest, _ := strings.Cut(lines.Text(), "http://")
		address, _, found := strings.Cut(rest, "/")
		if found {
			url = "http://" + address
		}
	}
	require.NotEmpty(t, url, "the program says where to point the browser")
	return url, func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
	}
}

// The flag -metrics serves counts at a second address, in the text format of Prometheus.
func TestMetrics(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-driver", "memory", "-addr", "127.0.0.1:0", "-metrics", "127.0.0.1:0"}, out)
	}()
	var urls []string
	for lines := bufio.NewScanner(said); len(urls) < 2 && lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "http://"); found {
			address, _, _ := strings.Cut(rest, "/")
			urls = append(urls, "http://"+address)
		}
	}
	newVisitor(t, urls[0], nil).post("/sign-in", "name", "Ada")
	response, err := http.Get(urls[1] + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		require.Regexp(t, `^(# TYPE \w+ (counter|histogram)|\w+({\w+="\w+"(,le="[^"]+")?})? [0-9.e-]+)\n$`, line)
	}
	require.Contains(t, string(text), "\nsession_created_total 1\n")
	require.Contains(t, string(text), `session_store_call_duration_seconds_bucket{operation="Create",le="+Inf"} 1`)
	cancel()
	require.NoError(t, <-ended)
}

func TestBadFlags(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for want, args := range map[string][]string{
		`unknown driver "nope"`:         {"-driver", "nope"},
		"max_sessions":                  {"-driver", "memory", "-dsn", "x?max_sessions=y"},
		"flag provided but not defined": {"-nope"},
		`"extra" is not a flag`:         {"-driver", "memory", "extra", "-nope"},
		"unknown DSN parameter":         {"-driver", "memory", "-dsn", "x?secret-canary=1"},
		"listen tcp":                    {"-driver", "memory", "-addr", "nowhere:nothing"},
		"address already in use; choose another address with -addr":    {"-driver", "memory", "-addr", taken.Addr().String()},
		"address already in use; choose another address with -metrics": {"-driver", "memory", "-addr", "127.0.0.1:0", "-metrics", taken.Addr().String()},
	} {
		err := run(t.Context(), args, io.Discard)
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, run(ctx, []string{"-driver", "memory"}, io.Discard), context.Canceled)
}
