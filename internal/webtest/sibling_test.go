package webtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// A page of a sibling host plants the attacker's session ID in cookies with names that look like
// the session cookie's. The browser accepts and sends some of them; none signs the victim in as
// the attacker.
func TestSiblingPlantsCookies(t *testing.T) {
	browser := startBrowser(t)
	f, err := session.Config{}.New(memory.New(memory.Options{}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	attacker, err := f.Create(t.Context())
	require.NoError(t, err)
	require.NoError(t, attacker.SignIn(t.Context(), "mallory"))
	require.NoError(t, attacker.Flush(t.Context()))

	var mu sync.Mutex // guards sent
	var sent string
	srv := httptest.NewServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if !strings.HasPrefix(r.Host, "app.") {
			return // the sibling's page
		}
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		mu.Lock()
		sent = strings.Join(r.Header["Cookie"], "; ")
		mu.Unlock()
		if r.URL.Path == "/sign-in" {
			require.NoError(t, s.SignIn(r.Context(), "ada"))
		}
		fmt.Fprintf(w, `<p id=user>%s</p>`, s.Subject())
	})))
	t.Cleanup(srv.Close)
	at, err := url.Parse(srv.URL)
	require.NoError(t, err)
	page := func(host, path string) string { return "http://" + host + ".site.localhost:" + at.Port() + path }

	tb := profile(t, browser, page("evil", "/"))
	taken := 0
	for _, planted := range []string{
		"\u2000__Host-session=ID", "\u00a0__Host-session=ID", "\u3000__Host-session=ID", "\u0085__Host-session=ID", "\ufeff__Host-session=ID", "\u2028__Host-session=ID",
		"__Host-session\u2000=ID", "=__Host-session=ID", "=\u2000__Host-session=ID", "__host-session=ID", "__Host-session=ID", " __Host-session=ID", "__Ho\u017ft-session=ID",
		"__Host\u00ad-session=ID", `"__Host-session"=ID`, "$Version=1", "a=\"; __Host-session=ID", "\u2000__Host-session=unknown", "\v__Host-session=ID", "\x00__Host-session=ID",
	} {
		planted = strings.ReplaceAll(planted, "ID", attacker.ID().Reveal())
		tb.url = page("evil", "/")
		tb.open()
		before := run(tb, chromedp.Evaluate[string](`document.cookie`))
		set := fmt.Sprintf(`document.cookie = %s; document.cookie`, quoteJS(planted+"; domain=site.localhost; path=/"))
		if run(tb, chromedp.Evaluate[string](set)) != before {
			taken++
		}
		tb.url = page("app", "/")
		tb.open()
		tb.sees("#user", "")
	}
	require.GreaterOrEqual(t, taken, 6, "the browser accepts names that only look like the session cookie's")
	mu.Lock()
	got := sent
	mu.Unlock()
	require.Contains(t, got, "\u00a0__Host-session="+attacker.ID().Reveal(), "the browser sends them")

	tb.url = page("app", "/sign-in")
	tb.open()
	tb.url = page("app", "/")
	tb.open()
	tb.sees("#user", "ada")
}

// quoteJS returns s as a JavaScript string literal.
func quoteJS(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		fmt.Fprintf(&b, `\u{%x}`, r)
	}
	b.WriteByte('"')
	return b.String()
}
