package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// A persistent cookie has both Max-Age and Expires, and so has the one that clears it, because some
// clients know Expires only.
func TestExpiresBesideMaxAge(t *testing.T) {
	const longest = 100 * 365 * day
	date := func(year int) time.Time { return time.Date(year, 2, 3, 4, 5, 6, 789e6, time.FixedZone("", 3600)) }
	for name, tt := range map[string]struct {
		now      time.Time
		lifetime time.Duration
		age      int
		expires  string
	}{
		"a day":               {date(2026), 24 * time.Hour, 86400, "Wed, 04 Feb 2026 03:05:06 GMT"},
		"a second":            {date(2026), time.Second, 1, "Tue, 03 Feb 2026 03:05:07 GMT"},
		"less than a second":  {date(2026), 300 * time.Millisecond, 1, "Tue, 03 Feb 2026 03:05:07 GMT"},
		"1.9 seconds":         {date(2026), 1900 * time.Millisecond, 1, "Tue, 03 Feb 2026 03:05:07 GMT"},
		"400 days":            {date(2026), 400 * day, 400 * 86400, "Wed, 10 Mar 2027 03:05:06 GMT"},
		"401 days":            {date(2026), 401 * day, 400 * 86400, "Wed, 10 Mar 2027 03:05:06 GMT"},
		"as long as can be":   {date(2026), longest, 400 * 86400, "Wed, 10 Mar 2027 03:05:06 GMT"},
		"before 1970":         {date(1960), 24 * time.Hour, 86400, "Thu, 04 Feb 1960 03:05:06 GMT"},
		"before 1601":         {date(1500), 24 * time.Hour, 86400, ""},
		"the last year":       {date(9999), 24 * time.Hour, 86400, "Thu, 04 Feb 9999 03:05:06 GMT"},
		"after the last year": {date(9999), longest, 400 * 86400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{
				SweepInterval: -1,
				Now:           func() time.Time { return tt.now },
				Timeouts:      session.Timeouts{Idle: tt.lifetime, Lifetime: tt.lifetime, Persistent: true},
			}, newProbe())
			line := exchanged(f, counter(t)).Header().Get("Set-Cookie")
			c, err := http.ParseSetCookie(line)
			require.NoError(t, err)
			require.Equal(t, tt.age, c.MaxAge)
			require.Equal(t, tt.expires, c.RawExpires, line)
		})
	}
	f := factory(t, session.Config{}, newProbe())
	require.NotContains(t, exchanged(f, counter(t)).Header().Get("Set-Cookie"), "Expires")
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) { current(t, r) }, "malformed")
	require.Contains(t, w.Header().Get("Set-Cookie"), "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0;")
	w = httptest.NewRecorder()
	require.NoError(t, f.Forget(w, httptest.NewRequest("GET", "/", nil)))
	require.Contains(t, w.Header().Get("Set-Cookie"), "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0;")
}

// Clients that follow RFC 2965, such as java.net, send quoted cookies.
func TestQuotedCookies(t *testing.T) {
	f := factory(t, session.Config{}, memory.New(memory.Options{}))
	id := created(t, f).ID().Reveal()
	for value, found := range map[string]bool{
		`"ID"`: true, `ID`: true, `""ID""`: false, `"ID`: false, `ID"`: false, `'ID'`: false, `" ID"`: false, `"ID "`: false, `"I\D"`: false, `\"ID\"`: false, `"ID" x`: false,
		"\u201cID\u201d": false, `"ID", "ID"`: false,
	} {
		value = strings.ReplaceAll(value, "ID", id)
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, found, !current(t, r).IsNew(), "%q", value)
		}, value)
		require.Equal(t, !found, cookieOf(w) != nil, "%q", value)
	}
	w := exchangedLine(f, `$Version="1"; __Host-session="`+id+`"; $Path="/"; $Domain="example.com"`)
	require.Nil(t, cookieOf(w))

	// Forget ends the session of a quoted cookie, too.
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", `__Host-session="`+id+`"`)
	require.NoError(t, f.Forget(httptest.NewRecorder(), r))
	_, err := f.Retrieve(t.Context(), session.NewID(id))
	require.ErrorIs(t, err, session.ErrNotFound)
}

// visitor is a browser that drops a cookie after its Max-Age, or after 400 days.
type visitor struct {
	t     *testing.T
	h     http.Handler
	value string
	until time.Time
	sent  int // cookies that it was sent
}

// visit serves a request of the visitor and returns what it says.
func (v *visitor) visit(path string) string {
	v.t.Helper()
	r := httptest.NewRequest("GET", "https://example.com"+path, nil)
	if time.Now().Before(v.until) {
		r.Header.Set("Cookie", "__Host-session="+v.value)
	}
	w := httptest.NewRecorder()
	v.h.ServeHTTP(w, r)
	require.Equal(v.t, 200, w.Code)
	if c := cookieOf(w); c != nil {
		v.sent++
		v.value, v.until = c.Value, time.Now().Add(min(time.Duration(c.MaxAge)*time.Second, 400*day))
	}
	return w.Body.String()
}

func visited(t *testing.T, f *session.Factory) *visitor {
	return &visitor{t: t, h: f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/nothing":
			return
		case "/set":
			require.NoError(t, session.Update(current(t, r), "n", func(n int) int { return n + 1 }))
		}
		n, err := session.Get[int](current(t, r), "n")
		require.NoError(t, err)
		fmt.Fprint(w, n)
	}))}
}

// A browser does not lose a session that lasts longer than its cookie, and gets the cookie again as
// rarely as possible.
func TestCookieIsSentAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		idle, lifetime, every time.Duration
		most                  int // cookies
	}{
		"visits each week":           {90 * day, 1200 * day, 7 * day, 1200/20 + 1},
		"visits each day":            {90 * day, 800 * day, day, 800/20 + 1},
		"Idle is Lifetime":           {2000 * day, 2000 * day, 9 * day, 2000/20 + 1},
		"visits once a year":         {2000 * day, 2000 * day, 365 * day, 7},
		"the longest absence":        {3000 * day, 3000 * day, 379 * day, 9},
		"Idle is long":               {600 * day, 1500 * day, 100 * day, 16},
		"a little longer":            {30 * day, 401 * day, 6 * day, 3},
		"as long as can be":          {100 * 365 * day, 100 * 365 * day, 200 * day, 25},
		"no longer than the cookie":  {30 * day, 400 * day, 7 * day, 1},
		"shorter, and often touched": {day, 30 * day, 7 * time.Hour, 1},
	} {
		for _, path := range []string{"/read", "/set"} {
			t.Run(name+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := session.Config{SweepInterval: -1, Timeouts: session.Timeouts{Idle: tt.idle, Lifetime: tt.lifetime, Persistent: true}}
					f := factory(t, cfg, memory.New(memory.Options{}))
					v := visited(t, f)
					v.visit("/set")
					began, want := time.Now(), 1
					for time.Since(began)+tt.every < min(tt.lifetime, 5000*day) {
						time.Sleep(tt.every)
						if path == "/set" {
							want++
						}
						require.Equal(t, fmt.Sprint(want), v.visit(path), "after %v", time.Since(began))
					}
					require.LessOrEqual(t, v.sent, tt.most)
				})
			})
		}
	}
}

// Only a request after 20 days sends the cookie again.
func TestCookieIsSentAgainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1, Timeouts: session.Timeouts{Idle: 1000 * day, Lifetime: 1000 * day, Persistent: true}}, p)
		v := visited(t, f)
		v.visit("/set")
		first := v.value
		p.take()
		time.Sleep(20*day - time.Second)
		v.visit("/read")
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
		time.Sleep(time.Second)
		v.visit("/nothing")
		require.Empty(t, p.take(), "a request that does not use the session makes no call")
		require.Equal(t, 1, v.sent)
		v.visit("/read")
		require.Equal(t, map[string]int{"Retrieve": 1, "Flush": 1}, p.take())
		require.Equal(t, 2, v.sent)
		require.Equal(t, first, v.value, "the ID stays")
		v.visit("/read")
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
		require.Equal(t, 2, v.sent)

		time.Sleep(21 * day)
		s, err := f.Retrieve(t.Context(), session.NewID(first))
		require.NoError(t, err)
		p.take()
		require.NoError(t, s.Flush(t.Context()))
		require.Empty(t, p.take(), "outside of a request there is no cookie to send")
		require.NoError(t, s.Set("m", 1))
		require.NoError(t, s.Flush(t.Context()))
		p.take()
		v.visit("/read")
		require.Equal(t, 3, v.sent, "a write outside of a request does not send the cookie")

		for _, sleep := range []time.Duration{370 * day, 300 * day} {
			time.Sleep(sleep)
			require.Equal(t, "1", v.visit("/read"))
		}
		require.Equal(t, 5, v.sent)
		time.Sleep(100 * day)
		require.Equal(t, "1", v.visit("/read"))
		require.Equal(t, 5, v.sent, "the cookie lasts as long as the session")
	})
}

// If the write fails that notes when the cookie was sent, the page is answered all the same, and a
// later response sends the cookie.
func TestCookieIsSentAgainAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, store := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: 1000 * day, Lifetime: 1000 * day, Persistent: true}})
		v := visited(t, f)
		v.visit("/set")
		time.Sleep(21 * day)
		store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage})
		require.Equal(t, "1", v.visit("/read"))
		require.Equal(t, 1, v.sent)
		store.Heal()
		require.Equal(t, "1", v.visit("/read"))
		require.Equal(t, 2, v.sent)
	})
}
