package session_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

func TestCookie(t *testing.T) {
	w := exchanged(factory(t, session.Config{}, newProbe()), counter(t))
	line := w.Header().Get("Set-Cookie")
	require.Regexp(t, `^__Host-session=[A-Za-z0-9_-]{32}; Path=/; HttpOnly; Secure; SameSite=Lax$`, line)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "Cookie", w.Header().Get("Vary"))

	f := factory(t, session.Config{Insecure: true}, newProbe())
	require.Regexp(t, `^session=[A-Za-z0-9_-]{32}; Path=/; HttpOnly; SameSite=Lax$`, exchanged(f, counter(t)).Header().Get("Set-Cookie"))

	f = factory(t, session.Config{Cookie: session.Cookie{Name: "__Secure-app", Domain: "example.com", SameSite: http.SameSiteNoneMode, Partitioned: true, Path: "/app"}}, newProbe())
	require.Regexp(t, `^__Secure-app=.{32}; Path=/app; Domain=example.com; HttpOnly; Secure; SameSite=None; Partitioned$`, exchanged(f, counter(t)).Header().Get("Set-Cookie"))
}

func TestTouchSendsNoCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1, Timeouts: session.Timeouts{Persistent: true}}, p)
		first := exchanged(f, counter(t))
		require.Equal(t, 86400, cookieOf(first).MaxAge, "Max-Age is the absolute deadline")
		time.Sleep(10 * time.Minute)
		p.take()
		read := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r) }, cookieOf(first).Value)
		require.Equal(t, map[string]int{"Retrieve": 1, "Touch": 1}, p.take())
		require.Nil(t, cookieOf(read))
	})
}

func TestPersistentCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	first := exchanged(f, counter(t))
	require.Zero(t, cookieOf(first).MaxAge)
	remember := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SetTimeouts(session.Timeouts{Idle: 14 * day, Lifetime: 1000 * day, Persistent: true}))
	}, cookieOf(first).Value)
	c := cookieOf(remember)
	require.NotNil(t, c, "the persistence has changed")
	require.Equal(t, cookieOf(first).Value, c.Value)
	require.Equal(t, 400*86400, c.MaxAge, "browsers keep cookies for at most 400 days")
	require.Nil(t, cookieOf(exchanged(f, counter(t), c.Value)))
}

// An ID that the store does not know is neither adopted nor cleared. A malformed one is cleared.
func TestForeignCookies(t *testing.T) {
	unknown := strings.Repeat("x", 32)
	p := newProbe()
	f := factory(t, session.Config{}, p)
	read := func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).IsNew()) }

	require.Nil(t, cookieOf(exchanged(f, read, unknown)), "an unknown ID is not cleared")
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
	w := exchanged(f, counter(t), unknown)
	require.NotEqual(t, unknown, cookieOf(w).Value, "and not adopted")
	p.take()

	for _, malformed := range []string{"", "x", unknown + "x", `"` + unknown, `""` + unknown + `""`, "a b", "a\"b", "\xff\x00", strings.Repeat("x", 100_000)} {
		w := exchanged(f, read, malformed)
		require.Empty(t, p.take(), "%.40q reaches the store", malformed)
		c := cookieOf(w)
		require.NotNil(t, c, "%.40q is not cleared", malformed)
		require.Equal(t, -1, c.MaxAge)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	require.Nil(t, cookieOf(exchanged(f, read, unknown, "malformed")), "another request may be replacing the unknown one")
	require.Nil(t, cookieOf(exchanged(f, func(http.ResponseWriter, *http.Request) {}, "malformed")), "without FromContext nothing is cleared")

	s := created(t, f)
	_, err := f.Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	require.NotNil(t, cookieOf(exchanged(f, read, string(s.Key()))), "a stored key is malformed")
}

// The first known of at most four cookies is used.
func TestSeveralCookies(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	known := cookieOf(exchanged(f, counter(t))).Value
	other := func(c string) string { return strings.Repeat(c, 32) }
	for _, cookies := range [][]string{
		{known, other("a")},
		{other("a"), known},
		{other("a"), other("b"), other("c"), known},
		{"malformed", "", known, "x"},
		{other("a"), "malformed", known + "; other=1; x"},
	} {
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).Has("n")) }, cookies...)
		require.Nil(t, cookieOf(w))
	}
	p.take()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) { require.True(t, current(t, r).IsNew()) },
		other("a"), other("b"), other("c"), other("d"), known)
	require.Equal(t, map[string]int{"Retrieve": 4}, p.take())
}

func TestSignInChangesTheCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	before := cookieOf(exchanged(f, counter(t))).Value
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).SignIn(t.Context(), "ada"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}, before)
	after := cookieOf(w).Value
	require.NotEqual(t, before, after)
	require.Equal(t, "2", exchanged(f, counter(t), after).Body.String())
	require.Equal(t, "1", exchanged(f, counter(t), before).Body.String(), "the old ID finds no session")
}

// The handler's Cache-Control and Vary are kept, and completed.
func TestCachingHeaders(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	for given, want := range map[string][2]string{
		"":                     {"no-store", "Cookie"},
		"private, max-age=60":  {"private, max-age=60, no-store", "Accept, Cookie"},
		"No-Store":             {"No-Store", "cookie"},
		"no-cache , no-store ": {"no-cache , no-store ", "*"},
	} {
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			if given != "" {
				w.Header().Set("Cache-Control", given)
			}
			if vary, ok := strings.CutSuffix(want[1], ", Cookie"); ok {
				w.Header().Set("Vary", vary)
			} else if want[1] != "Cookie" {
				w.Header().Set("Vary", want[1])
			}
		})
		require.Equal(t, want[0], strings.Join(w.Header().Values("Cache-Control"), ", "))
		require.Equal(t, want[1], strings.Join(w.Header().Values("Vary"), ", "))
	}
}

func TestHintAtLoopback(t *testing.T) {
	var log strings.Builder
	f := factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
	visit := func(host, userAgent string) {
		r := httptest.NewRequest("GET", "http://"+host+"/", nil)
		r.Header.Set("User-Agent", userAgent)
		f.Handler(counter(t)).ServeHTTP(httptest.NewRecorder(), r)
	}
	const webKit = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	for _, other := range []string{
		"", "curl/8.5.0", "Go-http-client/1.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		webKit + "Chrome/140.0.0.0 Safari/537.36", webKit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", webKit + "HeadlessChrome/140.0.0.0 Safari/537.36",
	} {
		visit("localhost:8080", other)
	}
	require.Empty(t, log.String(), "these keep the cookie")
	for _, host := range []string{"127.0.0.1:8080", "localhost", "[::1]:80", "localhost:1"} {
		visit(host, webKit+"Version/18.5 Safari/605.1.15")
	}
	require.Equal(t, 1, strings.Count(log.String(), "Safari"))
	log.Reset()
	f = factory(t, session.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
	exchanged(f, counter(t))
	require.Empty(t, log.String())
}

// Cookie and SetCookie are for code outside of Handler.
func TestSetCookieByHand(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	w := httptest.NewRecorder()
	s.SetCookie(w)
	require.Equal(t, s.ID().Reveal(), cookieOf(w).Value)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	lost := same(t, f, s)
	require.NoError(t, s.Destroy(ctx))
	require.Equal(t, -1, s.Cookie().MaxAge)
	require.NoError(t, lost.Set("n", 1))
	require.ErrorIs(t, lost.Flush(ctx), session.ErrNotFound)
	require.Nil(t, lost.Cookie())
}

// In a response, only Set-Cookie has the ID (OWASP ASVS 5.0, 3.3.4).
func TestIDOnlyInSetCookie(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(r.Context()))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, v := range []any{s.ID(), s, s.Key(), f, w, r.Context()} {
				fmt.Fprintf(w, verb, v)
			}
		}
	})
	id := cookieOf(w).Value
	require.NotContains(t, w.Body.String(), id)
	w.Header().Del("Set-Cookie")
	require.NotContains(t, fmt.Sprint(w.Header()), id)
}
