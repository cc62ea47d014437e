package cookie

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func secret(fill byte) session.Secret {
	s, err := session.NewSecret(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		panic(err)
	}
	return s
}

// opened has the methods of all stores of this package.
type opened interface {
	driver.Store
	driver.ClientSide
	driver.Pinger
}

func open(t testing.TB, name string, o Options) opened {
	t.Helper()
	if o.Revocations == nil {
		o.Unrevocable = true
	}
	s, err := New(o)
	require.NoError(t, err)
	return s.(opened).ForCookie(name).(opened)
}

// kept is a memory store that does not declare itself Lossy, so that it can keep revocations.
type kept struct{ driver.Store }

func newKept() kept { return kept{memory.New(memory.Options{})} }

func record(ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: "k", Data: []byte(`{"a":"the-value"}`), Subject: "ada", Created: now, Expires: now.Add(ttl)}
}

func newToken(t testing.TB, s driver.Store) string {
	t.Helper()
	r := record(time.Hour)
	require.NoError(t, s.Create(t.Context(), r))
	return r.Key
}

func TestDSN(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(secret(0xfb).Reveal()) // with + and =
	file := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	t.Setenv("COOKIE_TEST_SECRETS", text+","+base64.RawURLEncoding.EncodeToString(secret(2).Reveal()))
	for dsn, want := range map[string]Options{
		"secret=" + text + "&unrevocable":                     {Secrets: []session.Secret{secret(0xfb)}, Unrevocable: true},
		"secret_file=" + file + "&unrevocable&site=a%26":      {Secrets: []session.Secret{secret(0xfb)}, Unrevocable: true, Site: "a&"},
		"secret_env=COOKIE_TEST_SECRETS&unrevocable":          {Secrets: []session.Secret{secret(0xfb), secret(2)}, Unrevocable: true},
		"secret=" + text + "&secret=" + text + "&unrevocable": {Secrets: []session.Secret{secret(0xfb), secret(0xfb)}, Unrevocable: true},
	} {
		o, err := parseDSN(dsn)
		require.NoError(t, err)
		require.Equal(t, want, o)
	}
	t.Setenv("COOKIE_TEST_EMPTY", "")
	t.Setenv("COOKIE_TEST_SHORT", text[:20])
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, []byte(text[:20]), 0o600))
	hex := fmt.Sprintf("%x", secret(0xfb).Reveal())
	ok := "secret=" + text
	for dsn, want := range map[string]string{
		"":                                      "cookie: the DSN is empty; want",
		"unrevocable":                           "one of secret_env, secret_file and secret",
		ok:                                      "revocations",
		ok + "&unrevocable&revocations=memory:": "drop one",
		ok + "&unrevocable=false":               "takes no value",
		ok + "&unrevocable=":                    "takes no value",
		ok + "&unrevocable=0":                   "takes no value",
		ok + "&unrevocable=%66alse":             "takes no value",
		ok + "&unrevocable=true":                "takes no value",
		ok + "&Unrevocable":                     "unknown DSN parameter",
		ok + "&unrevocable%3Dfalse":             "unknown DSN parameter",
		ok + "& unrevocable":                    "unknown DSN parameter",
		ok + "&revocations=memory:":             "may lose them",
		ok + "&revocations=cookie:secret=" + text + "%26unrevocable": "on a server",
		ok + "&secret_env=X&unrevocable":                             "one of secret_env",
		ok + "&unrevocable&unrevocable":                              "more than once",
		ok + "&unrevocable&site=%zz":                                 `"site" is malformed`,
		ok + "&" + text + "=%zz":                                     `"?" is malformed`,
		ok + "&revocations=nosuch:x":                                 "registered driver",
		"secret=" + text[:20] + "&unrevocable":                       "openssl rand",
		"secret_env=COOKIE_TEST_NONE&unrevocable":                    "environment variable COOKIE_TEST_NONE is not set",
		"secret_env=COOKIE_TEST_EMPTY&unrevocable":                   "environment variable COOKIE_TEST_EMPTY: session: there is no secret",
		"secret_env=COOKIE_TEST_SHORT&unrevocable":                   "environment variable COOKIE_TEST_SHORT: session: secret 1 is not Base64 of 32 bytes",
		"secret_env=" + text + "&unrevocable":                        "not shown here",
		"secret_env=" + strings.ToUpper(hex) + "&unrevocable":        "not shown here",
		"secret_env=&unrevocable":                                    "secret_env",
		"secret_file=/nowhere/secrets&unrevocable":                   "can't be read: no such file or directory",
		"secret_file=" + t.TempDir() + "&unrevocable":                "can't be read: is a directory",
		"secret_file=&unrevocable":                                   "can't be read: no such file",
		"secret_file=" + short + "&unrevocable":                      "the file of DSN parameter secret_file: session: secret 1",
		text + "&unrevocable":                                        "unknown DSN parameter",
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, "Open(%q)", dsn)
		for _, secret := range []string{text[:20], strings.ToUpper(hex[:20]), "/nowhere", filepath.Dir(short)} {
			require.NotContains(t, err.Error(), secret)
		}
	}
	s, err := Driver{}.Open(ok + "&unrevocable")
	require.NoError(t, err)
	printed := fmt.Sprintf("%v %+v %#v", s, s, Options{Secrets: []session.Secret{secret(0xfb)}})
	require.NotRegexp(t, `251[ ,]+251|0xfb, ?0xfb|fbfb`, printed) // not a single 251, which may be part of an address
}

func FuzzDSN(f *testing.F) {
	f.Add("secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&unrevocable&site=x")
	f.Fuzz(func(t *testing.T, dsn string) {
		if strings.Contains(dsn, "secret_file") || strings.Contains(dsn, "revocations") {
			return // these open files
		}
		if o, err := parseDSN(dsn); err == nil {
			require.NotEmpty(t, o.Secrets)
		}
	})
}

// An application serves cookie sessions over HTTP, with and without revocations.
func TestOverHTTP(t *testing.T) {
	for _, revocable := range []bool{true, false} {
		o := Options{Secrets: []session.Secret{secret(1)}, Unrevocable: !revocable}
		if revocable {
			o.Revocations = newKept()
		}
		st, err := New(o)
		require.NoError(t, err)
		f, err := session.Config{}.New(st)
		require.NoError(t, err)
		defer f.Close()
		srv := httptest.NewServer(f.Handler(application()))
		defer srv.Close()
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		c := &http.Client{Jar: jar}
		get := func(path string) (int, string, *http.Response) {
			resp, err := c.Get(srv.URL + path)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return resp.StatusCode, string(body), resp
		}
		cookie := func() string {
			req := httptest.NewRequest("GET", srv.URL, nil)
			for _, c := range jar.Cookies(req.URL) {
				return c.Value
			}
			return ""
		}

		_, body, resp := get("/show")
		require.Equal(t, "0 ", body)
		require.Empty(t, resp.Cookies(), "cookies of a response that only reads, without a session")
		for want := range 3 {
			_, body, _ = get("/count")
			require.Equal(t, fmt.Sprint(want+1), body)
		}
		_, _, resp = get("/show")
		require.Empty(t, resp.Cookies(), "cookies of a response that only reads")
		anonymous := cookie()
		get("/sign-in")
		_, body, _ = get("/show")
		require.Equal(t, "3 ada", body)

		intact := cookie()
		status, _, resp := get("/grow")
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
		require.Empty(t, resp.Cookies(), "cookies of a response whose session is too large")
		require.Equal(t, intact, cookie())
		_, body, _ = get("/show")
		require.Equal(t, "3 ada", body)

		status, body, _ = get("/late")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, session.ErrHeaderSent.Error())

		stolen := cookie()
		get("/sign-out")
		require.Empty(t, cookie())
		replay := func(value string) string {
			req, err := http.NewRequest("GET", srv.URL+"/show", nil)
			require.NoError(t, err)
			req.AddCookie(&http.Cookie{Name: "__Host-session", Value: value})
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return string(body)
		}
		if revocable {
			require.Equal(t, "0 ", replay(stolen))
			require.Equal(t, "0 ", replay(anonymous), "replay of the cookie from before the sign-in")
		} else {
			require.Equal(t, "3 ada", replay(stolen), "replay of an unrevocable cookie after sign-out")
		}
		require.ErrorIs(t, f.Destroy(t.Context(), "key"), errors.ErrUnsupported)
		for _, err := range f.Sessions(t.Context()) {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
	}
	_, err := session.Config{Secrets: []session.Secret{secret(1)}}.New(open(t, "", Options{Secrets: []session.Secret{secret(1)}}))
	require.ErrorContains(t, err, "seals by itself")
}

func application() http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, do func(s *session.Session, w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			if err != nil {
				return
			}
			if err := do(s, w, r); err != nil {
				fmt.Fprint(w, err)
			}
		})
	}
	serve("/count", func(s *session.Session, w http.ResponseWriter, _ *http.Request) error {
		if err := session.Update(s, "n", func(n int) int { return n + 1 }); err != nil {
			return err
		}
		n, err := session.Get[int](s, "n")
		fmt.Fprint(w, n)
		return err
	})
	serve("/show", func(s *session.Session, w http.ResponseWriter, _ *http.Request) error {
		n, _ := session.Get[int](s, "n")
		fmt.Fprint(w, n, " ", s.Subject())
		return nil
	})
	serve("/sign-in", func(s *session.Session, _ http.ResponseWriter, r *http.Request) error {
		return s.SignIn(r.Context(), "ada")
	})
	serve("/sign-out", func(s *session.Session, _ http.ResponseWriter, r *http.Request) error { return s.Destroy(r.Context()) })
	serve("/grow", func(s *session.Session, _ http.ResponseWriter, _ *http.Request) error {
		return s.Set("large", strings.Repeat("x", 4000))
	})
	serve("/late", func(s *session.Session, w http.ResponseWriter, _ *http.Request) error {
		fmt.Fprint(w, "begun ")
		return s.Set("late", 1)
	})
	return mux
}

// The expiry of a session that is only read moves after a twentieth of Idle, by a new cookie. The
// absolute lifetime is sealed in the cookie.
func TestExpiryIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f, err := session.Config{Timeouts: session.Timeouts{Idle: time.Hour, Lifetime: 3 * time.Hour}}.
			New(open(t, "", Options{Secrets: []session.Secret{secret(1)}}))
		require.NoError(t, err)
		defer f.Close()
		s, err := f.Create(ctx)
		require.NoError(t, err)
		first := s.ID()
		time.Sleep(2 * time.Minute)
		s, err = f.Retrieve(ctx, first)
		require.NoError(t, err)
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, first, s.ID())
		time.Sleep(28 * time.Minute)
		require.NoError(t, s.Flush(ctx))
		later := s.ID()
		require.NotEqual(t, first, later)
		time.Sleep(31 * time.Minute)
		_, err = f.Retrieve(ctx, first)
		require.ErrorIs(t, err, session.ErrNotFound, "Retrieve after the idle timeout")
		for range 4 {
			s, err = f.Retrieve(ctx, later)
			require.NoError(t, err)
			require.NoError(t, s.Flush(ctx))
			later = s.ID()
			time.Sleep(29 * time.Minute)
		}
		time.Sleep(5 * time.Minute)
		_, err = f.Retrieve(ctx, later)
		require.ErrorIs(t, err, session.ErrNotFound, "Retrieve after the absolute lifetime")
	})
}

// Printing a record does not show the token.
func TestRecordHidesToken(t *testing.T) {
	s := open(t, "a", Options{Secrets: []session.Secret{secret(1)}})
	r := record(time.Hour)
	require.Contains(t, fmt.Sprint(r), `"k"`)
	require.NoError(t, s.Create(t.Context(), r))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, r), r.Key[20:60])
		require.NotContains(t, fmt.Sprintf(verb, *r), r.Key[20:60])
	}
}
