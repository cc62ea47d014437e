package webtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// tab is a browser tab.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

// startBrowser starts a headless Chromium.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("SESSION_TEST_REQUIRE") == "1" {
			t.Fatal("Chromium is missing; install it: apt-get install chromium")
		}
		t.Skip("Chromium is missing; install it: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(760, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// profile opens a tab in a new profile, which shares no cookies with other profiles.
func profile(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx)) // the first call must not have a deadline
	tb := &tab{t, ctx, url}
	tb.open()
	return tb
}

// another opens a second tab of the same profile.
func (tb *tab) another() *tab {
	tb.t.Helper()
	ctx, cancel := chromedp.NewContext(tb.ctx)
	tb.t.Cleanup(cancel)
	require.NoError(tb.t, chromedp.Do(ctx))
	second := &tab{tb.t, ctx, tb.url}
	second.open()
	return second
}

// patience is how long a step may take, even on a busy machine that starts the browser for the first
// time.
const patience = 3 * time.Minute

// run runs an action in the page, and fails the test if it fails or times out.
func run[T any](tb *tab, action chromedp.Action[T]) T {
	tb.t.Helper()
	value, err := try(tb, action)
	require.NoError(tb.t, err)
	return value
}

func try[T any](tb *tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

func (tb *tab) open() {
	tb.t.Helper()
	run(tb, chromedp.Navigate(tb.url))
}

// click clicks an element and waits until the next page has loaded.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(tb.t, err, selector)
}

func (tb *tab) signIn(name string) {
	tb.t.Helper()
	run(tb, chromedp.SendKeys(chromedp.CSS(`input[name=name]`), name))
	tb.click(`form[action="/sign-in"] button`)
	tb.sees("#user", name)
}

// sees expects the text of the selected element to be want, which is "" if there is no element.
func (tb *tab) sees(selector, want string) {
	tb.t.Helper()
	require.Equal(tb.t, want, run(tb, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))), selector)
}

func (tb *tab) has(selector string) bool {
	tb.t.Helper()
	found, err := tb.find(selector)
	require.NoError(tb.t, err)
	return found
}

// find reports whether the page has an element. It fails while another page is loading.
func (tb *tab) find(selector string) (bool, error) {
	return try(tb, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector(%q) != null`, selector)))
}

// soon is less than 30 s, after which the application looks at sessions that are open by itself.
const soon = 25 * time.Second

// getsSoon waits until the tab has loaded a page with an element.
func (tb *tab) getsSoon(selector, why string) {
	tb.t.Helper()
	require.Eventually(tb.t, func() bool { found, err := tb.find(selector); return err == nil && found }, soon, 100*time.Millisecond, why)
}

// cookie returns the session cookie from the browser, or nil.
func (tb *tab) cookie() *network.Cookie {
	tb.t.Helper()
	kept := run(tb, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	})
	for _, c := range kept.Cookies {
		if c.Name == "__Host-session" {
			return c
		}
	}
	return nil
}

// addMany adds fruit in n concurrent requests and waits for all of them.
func (tb *tab) addMany(n int) error {
	script := fmt.Sprintf(`Promise.all(Array.from({length: %d}, () =>
		fetch("/cart", {method: "POST", body: new URLSearchParams({fruit: "Pears"})}))).then(rs => rs.every(r => r.ok))`, n)
	ok, err := try(tb, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	if err == nil && !ok {
		err = errors.New("a request failed")
	}
	return err
}

// programs is the folder of the program that buildShop builds.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "webtest"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(programs)
		return m.Run()
	}())
}

// buildShop builds the example web application once, and returns the path of the program.
var buildShop = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(programs, "webapp")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "gosession.dev/session/examples/webapp")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// startShop runs the example web application with a driver, and returns its URL.
func startShop(t *testing.T, driver, dsn string) (url string) {
	t.Helper()
	bin, err := buildShop()
	require.NoError(t, err)
	cmd := exec.Command(bin, "-addr", "127.0.0.1:0", "-driver", driver, "-dsn", dsn)
	cmd.Dir = t.TempDir()
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "http://127.0.0.1:"); found {
			port, _, _ := strings.Cut(rest, "/")
			return "http://localhost:" + port + "/"
		}
	}
	t.Fatal("webapp has not printed its URL")
	return ""
}

// The features of the web application work in a browser on all backends.
func TestShop(t *testing.T) {
	browser := startBrowser(t)
	for driver, tt := range map[string]struct {
		dsn           func(t *testing.T) string
		lists, merges bool
	}{
		"memory":   {func(*testing.T) string { return "" }, true, true},
		"sqlite":   {func(t *testing.T) string { return filepath.Join(t.TempDir(), "s.db") }, true, true},
		"memcache": {func(t *testing.T) string { return testserver.StartMemcached(t).Addr + testserver.Patient }, false, true},
		"mongo": {func(t *testing.T) string {
			return testserver.StartMongo(t).DSN(fmt.Sprintf("t%d", time.Now().UnixNano()), "")
		}, true, true},
		"redis": {func(t *testing.T) string { return "redis://" + testserver.StartRedis(t).Addr }, true, true},
		"postgres": {func(t *testing.T) string {
			server := testserver.StartPostgres(t, "fsync=off")
			return server.DSN(server.NewDatabase(t), "")
		}, true, true},
		"mysql": {func(t *testing.T) string {
			server := testserver.StartMariaDB(t, "innodb_flush_log_at_trx_commit=0")
			return server.DSN(server.NewDatabase(t), "")
		}, true, true},
		"cookie": {func(t *testing.T) string {
			return "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&revocations=sqlite:" + filepath.Join(t.TempDir(), "ended.db")
		}, false, false},
	} {
		t.Run(driver, func(t *testing.T) {
			url := startShop(t, driver, tt.dsn(t))
			laptop := profile(t, browser, url)
			require.Nil(t, laptop.cookie(), "a page that only reads creates no session")
			laptop.click(`button[value=Apples]`)
			laptop.sees("#flash", "Apples are in your cart.")
			anonymous := laptop.cookie()
			laptop.open()
			laptop.sees("#flash", "")
			laptop.sees("#total", "1")
			laptop.signIn("Ada")
			laptop.sees("#flash", "Welcome, Ada!")
			laptop.sees("#total", "1")
			checkCookie(t, laptop, anonymous.Value)

			if tt.merges {
				second := laptop.another()
				both := make(chan error, 2)
				for _, tb := range []*tab{laptop, second} {
					go func() { both <- tb.addMany(10) }()
				}
				require.NoError(t, <-both)
				require.NoError(t, <-both)
				// At the sign-out this tab would reload, and might show the message first.
				run(second, chromedp.Navigate("about:blank"))
				laptop.open()
				laptop.sees("#total", "21")
			}

			phone := profile(t, browser, url)
			phone.signIn("Ada")
			if tt.lists {
				laptop.open()
				screenshot(t, laptop)
				laptop.click(`form[action="/devices/end"] button`)
				laptop.sees("#flash", "That device is signed out.")
				phone.getsSoon(`form[action="/sign-in"]`, "the page learns at once that it is signed out")
				phone.open()
				require.False(t, phone.has("#user"), "signed out at the next request")
			}
			laptop.click(`form[action="/cart/empty"] button`)
			laptop.sees("#flash", "Your cart is empty.")
			laptop.sees("#total", "0")
			laptop.click(`form[action="/sign-out"] button`)
			laptop.sees("#flash", "You are signed out.")
			require.False(t, laptop.has("#user"))
			run(laptop, chromedp.NavigateBack())
			laptop.open()
			require.False(t, laptop.has("#user"), "the back button signs no user in")
		})
	}
}

// checkCookie checks the cookie's attributes in the browser, which loaded the page from localhost
// over plain HTTP.
func checkCookie(t *testing.T, tb *tab, anonymous string) {
	t.Helper()
	c := tb.cookie()
	require.NotNil(t, c)
	require.NotEqual(t, anonymous, c.Value, "the ID changes at sign-in")
	require.True(t, c.Secure)
	require.True(t, c.HTTPOnly)
	require.True(t, c.Session, "the browser drops it when it closes")
	require.Equal(t, network.CookieSameSiteLax, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Equal(t, "localhost", c.Domain)
	require.Empty(t, run(tb, chromedp.Evaluate[string](`document.cookie`)), "scripts can't read the cookie")
}

// screenshot writes the page to the file that SESSION_TEST_SCREENSHOT names.
func screenshot(t *testing.T, tb *tab) {
	t.Helper()
	file := os.Getenv("SESSION_TEST_SCREENSHOT")
	if file == "" {
		return
	}
	require.NoError(t, os.WriteFile(file, run(tb, chromedp.FullScreenshot(100)), 0o644))
}

// A browser accepts the cookie, with its prefix and Secure, from http://127.0.0.1 too.
func TestLoopbackAddress(t *testing.T) {
	browser := startBrowser(t)
	url := strings.Replace(startShop(t, "memory", ""), "localhost", "127.0.0.1", 1)
	tb := profile(t, browser, url)
	tb.signIn("Ada")
	require.Equal(t, "127.0.0.1", tb.cookie().Domain)
	tb.open()
	tb.sees("#user", "Ada")
}
