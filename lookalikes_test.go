package session_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// lookalikes are characters that some programs take for white space, and browsers do not.
var lookalikes = []string{
	"\u0085", "\u00a0", "\u1680", "\u180e", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
	"\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", "\v", "\f", "\x00", "\x1c", "\x1f", "\x7f", "\x85", "\xa0", "\xff", "\xe2\x80",
}

// Browsers let sibling hosts set cookies whose names only look as if they had the prefix "__Host-".
// Such a cookie opens no session and is not cleared.
func TestCookiesThatLookLikeOurs(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	id := s.ID().Reveal()
	p.take()
	names := []string{
		"__host-session", "__HOST-SESSION", "__Host-Session", "__Ho\u017ft-session", "__Host-session2", "_Host-session", "x__Host-session", "$__Host-session", `"__Host-session"`,
		"__Host-ses sion", "__Host-session x", "x __Host-session", "__Host\u2010session", "__Host-session[]", "__Host-session%20", "+__Host-session",
	}
	for _, space := range lookalikes {
		names = append(names, space+"__Host-session", "__Host-session"+space, space+"__Host-session"+space, " "+space+" __Host-session", "__Host-session "+space+" ")
	}
	lines := []string{
		"=__Host-session=" + id, " =__Host-session=" + id, "\t=\t__Host-session=" + id, "==" + id, "=" + id, id, "__Host-session", `"__Host-session=` + id + `"`,
		"a=__Host-session=" + id, `a="; b=__Host-session=` + id, "a=1, __Host-session=" + id, "a=1&__Host-session=" + id, "a=1\v;\v__Host-session=" + id, "a=1\uff1b__Host-session=" + id,
	}
	for _, name := range names {
		lines = append(lines, name+"="+id, "a=1; "+name+"="+id, "a=1;"+name+"="+id+";b=2", name+"=malformed")
	}
	for _, line := range lines {
		w := exchangedLine(f, line)
		require.Empty(t, p.take(), "%q reaches the store", line)
		require.Empty(t, w.Header().Values("Set-Cookie"), "%q is cleared", line)

		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header["Cookie"] = []string{line}
		require.NoError(t, f.Forget(httptest.NewRecorder(), r))
		require.Empty(t, p.take(), "%q is ended", line)

		r.Header["Cookie"] = []string{line, "__Host-session=" + id}
		w = httptest.NewRecorder()
		f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.False(t, current(t, r).IsNew(), "%q hides ours", line)
		})).ServeHTTP(w, r)
		p.take()
	}
	for _, line := range []string{
		"__Host-session=" + id, " \t __Host-session=" + id + " \t ", "a=1;__Host-session \t=" + id, ";;;=;\t;__Host-session=" + id + ";", `$Version="1"; __Host-session="` + id + `"; $Path="/"`,
	} {
		exchangedLine(f, line)
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take(), "%q", line)
	}
}

// A directive that only looks like no-store does not count as no-store.
func TestDirectivesThatLookLikeOurs(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	caching, varying := []string{"no-\u017ftore", "no-store=1", "no-stores", `private="a, no-store, b"`, `"no-store"`, "no-store;a"}, []string{"Coo\u212aie", "X-Cookie", "Cookie2", "\uff0a"}
	for _, space := range lookalikes {
		caching = append(caching, space+"no-store", "no-store"+space)
		varying = append(varying, space+"Cookie", "Cookie"+space, space+"*")
	}
	answered := func(field, value string) http.Header {
		return exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			w.Header().Set(field, value)
		}).Header()
	}
	for _, value := range caching {
		require.Equal(t, value+", no-store", strings.Join(answered("Cache-Control", value).Values("Cache-Control"), "; "))
	}
	for _, value := range varying {
		require.Equal(t, []string{value, "Cookie"}, answered("Vary", value).Values("Vary"))
	}
	for _, value := range []string{"no-store", "private,\tNO-STORE ", "no-store,", ",no-store"} {
		require.Equal(t, []string{value}, answered("Cache-Control", value).Values("Cache-Control"))
	}
}

// Slices of header values that several responses share are not changed.
func TestSharedHeaderValues(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	shared := map[string][]string{}
	for _, field := range []string{"Vary", "Cache-Control", "Set-Cookie"} {
		shared[field] = append(make([]string, 0, 8), "a=1")
	}
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), shared)
		require.NoError(t, current(t, r).Set("n", 1))
	})
	for field, values := range shared {
		require.Equal(t, []string{"a=1", ""}, values[:2], field)
	}
}
