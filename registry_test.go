package session_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func TestRegister(t *testing.T) {
	require.PanicsWithValue(t, `session: Register of a nil driver as "nothing"`, func() { session.Register("nothing", nil) })
	require.PanicsWithValue(t, `session: Register called twice for driver "memory"`, func() { session.Register("memory", memory.Driver{}) })
	session.Register("a-first-one-"+rand.Text(), memory.Driver{})
	require.Contains(t, session.Drivers(), "memory")
	require.True(t, slices.IsSorted(session.Drivers()))
	require.NotContains(t, session.Drivers(), "nothing")
}

func TestOpenUnknownDriver(t *testing.T) {
	_, err := session.Open("memcach", "secret-dsn")
	require.ErrorContains(t, err, `unknown driver "memcach"`)
	require.ErrorContains(t, err, `did you mean "memcache"`)
	require.ErrorContains(t, err, "memory")
	require.NotContains(t, err.Error(), "secret-dsn")

	_, err = session.Open("user:canary@host/db", "memory")
	require.ErrorContains(t, err, "are the arguments of Open swapped?")
	require.NotContains(t, err.Error(), "canary")
}

func TestOpenBadDSN(t *testing.T) {
	_, err := session.Open("memory", "name?unknown=1")
	require.EqualError(t, err, `session: open memory: memory: unknown DSN parameter; there is only max_sessions`)
}

// A quoting driver refuses every DSN, with an error that contains it.
type quoting func(dsn string) error

func (q quoting) Open(dsn string) (driver.Store, error) { return nil, q(dsn) }

// If a driver's error contains the DSN, the error of Open shows neither its text nor that of an error
// that it wraps. errors.Is still finds them.
func TestOpenRepeatsNoDSN(t *testing.T) {
	const dsn = "thing://canary:canary%zz@canary:canary/\"canary\n"
	mine := errors.New("mine")
	for name, q := range map[string]quoting{
		"as it is": func(dsn string) error { return fmt.Errorf("no %s: %w", dsn, mine) },
		"quoted":   func(dsn string) error { return fmt.Errorf("%w: %q", mine, dsn) },
		"by package url": func(dsn string) error {
			_, err := url.Parse(dsn)
			return errors.Join(mine, err)
		},
		"by package url, of a part": func(dsn string) error {
			_, err := url.Parse(strings.TrimPrefix(dsn, "thing:"))
			return fmt.Errorf("%w, %w", mine, err)
		},
	} {
		driver := "quoting-" + rand.Text()
		session.Register(driver, q)
		_, err := session.Open(driver, dsn)
		require.ErrorIs(t, err, mine, name)
		for e := err; e != nil; e = errors.Unwrap(e) {
			require.NotContains(t, e.Error(), "canary", name)
		}
		_, err = session.Open(driver, "no")
		require.ErrorIs(t, err, mine, name)
	}
	driver := "quoting-" + rand.Text()
	session.Register(driver, quoting(func(string) error { return mine }))
	_, err := session.Open(driver, dsn)
	require.ErrorContains(t, err, ": mine")
}

// notDialled is a driver whose store makes the test fail when it is used.
type notDialled struct{ driver.Store }

func (notDialled) Open(string) (driver.Store, error) { return notDialled{}, nil }
func (notDialled) Close() error                      { return nil }

func TestOpenDoesNotDial(t *testing.T) {
	name := "not-dialled-" + rand.Text() // the test may run again
	session.Register(name, notDialled{})
	f, err := session.Open(name, "")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestConfigRefuses(t *testing.T) {
	for want, c := range map[string]session.Config{
		"forbids a Domain":                  {Cookie: session.Cookie{Domain: "example.com"}},
		"drop Domain":                       {Cookie: session.Cookie{Name: "__host-x", Domain: "example.com"}},
		`needs Path "/"`:                    {Cookie: session.Cookie{Path: "/app"}},
		"needs Secure; drop Config":         {Cookie: session.Cookie{Name: "__Host-x"}, Insecure: true},
		"prefix \"__Host-\", \"__Secure-\"": {Cookie: session.Cookie{Name: "__SECURE-x"}, Insecure: true},
		"SameSite=None cookie needs":        {Cookie: session.Cookie{SameSite: http.SameSiteNoneMode}, Insecure: true},
		"Partitioned cookie needs":          {Cookie: session.Cookie{Partitioned: true}, Insecure: true},
		`must begin with "/"`:               {Cookie: session.Cookie{Name: "a", Path: "app"}},
		"browsers would ignore it":          {Cookie: session.Cookie{Name: "a b"}},
		"the Domain must be of letters":     {Cookie: session.Cookie{Name: "a", Domain: "a b.example"}},
		"Config.Timeouts: the Idle of 2h":   {Timeouts: session.Timeouts{Idle: 2 * time.Hour, Lifetime: time.Hour}},
		"Config.Anonymous":                  {Anonymous: session.Timeouts{Idle: 48 * time.Hour}},
		"at least a millisecond":            {Timeouts: session.Timeouts{Idle: -1}},
		"at least a milli":                  {Timeouts: session.Timeouts{Idle: time.Microsecond}},
		"StoreTimeout is negative":          {StoreTimeout: -1},
		"1 to 16 bytes":                     {Codecs: []session.Codec{named{session.JSON, ""}}},
		"must be 1 to 16":                   {Codecs: []session.Codec{named{session.JSON, "a name that is too long"}}},
	} {
		_, err := c.New(newProbe())
		require.ErrorContains(t, err, want)
		_, err = c.Open("memory", "")
		require.ErrorContains(t, err, want)
	}
	_, err := session.Config{}.New(nil)
	require.Error(t, err)
}

func TestConfigAccepts(t *testing.T) {
	for name, c := range map[string]session.Config{
		"zero":        {},
		"insecure":    {Insecure: true},
		"domain":      {Cookie: session.Cookie{Name: "__Secure-x", Domain: "example.com"}},
		"partitioned": {Cookie: session.Cookie{Partitioned: true, SameSite: http.SameSiteNoneMode}},
		"default":     {Cookie: session.Cookie{SameSite: http.SameSiteDefaultMode}},
		"remembering": {Timeouts: session.Timeouts{Idle: 14 * day, Lifetime: 400 * day, Persistent: true}},
	} {
		_, err := c.New(newProbe())
		require.NoError(t, err, name)
	}
}

// Only these files import net/http, and package driver imports only the standard library.
func TestImports(t *testing.T) {
	http := []string{"commit.go", "config.go", "context.go", "cookie.go", "exchange.go", "lookup.go", "middleware.go", "response.go"}
	for _, file := range sources(t, ".") {
		for _, path := range imports(t, file) {
			if strings.HasPrefix(path, "net/http") && !slices.Contains(http, file) {
				t.Errorf("%s imports %s; want that in %v only", file, path, http)
			}
		}
	}
	for _, file := range sources(t, "driver") {
		for _, path := range imports(t, file) {
			if strings.Contains(path, ".") {
				t.Errorf("%s imports %s; want the standard library only", file, path)
			}
		}
	}
}

func sources(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	require.NotEmpty(t, files)
	return files
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	require.NoError(t, err)
	var paths []string
	for _, spec := range parsed.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}
