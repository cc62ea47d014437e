package acceptance_test

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/sqlstore"
)

// featureless is a server-side store without optional interfaces.
type featureless struct{ driver.Store }

// If a store lacks a required feature, the error names exactly the drivers that have it.
func TestErrorsNameDriversThatCan(t *testing.T) {
	const sealing = "unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	features := map[string]session.Features{}
	note := func(name string, f *session.Factory, err error) {
		require.NoError(t, err, name)
		features[name] = f.Features()
		require.NoError(t, f.Close())
	}
	f, err := session.Config{SweepInterval: -1}.New(sqlstore.New(nil, sqlstore.SQLite))
	note("sqlstore", f, err)
	sqlite := "file:" + filepath.Join(t.TempDir(), "s.db")
	dsns := map[string]string{
		"cookie": sealing, "memcache": "127.0.0.1:1", "memory": "", "mongo": "mongodb://127.0.0.1:1/app",
		"mysql": "user:password@tcp(127.0.0.1:1)/app", "postgres": "postgres://user:password@127.0.0.1:1/app", "redis": "redis://127.0.0.1:1",
		"sqlite": sqlite,
	}
	for _, name := range session.Drivers() {
		if name == "migrate" { // has the features that both of its stores have
			continue
		}
		require.Contains(t, dsns, name, "no DSN for this driver; add one to this test")
		f, err := session.Config{SweepInterval: -1}.Open(name, dsns[name])
		note(name, f, err)
	}
	require.Len(t, features, len(dsns)+1)

	inCookies, err := cookie.Driver{}.Open(sealing)
	require.NoError(t, err)
	onServer := featureless{memory.New(memory.Options{})}
	for name, tt := range map[string]struct {
		store   driver.Store
		require session.Features
		has     func(session.Features) bool
	}{
		"ServerSide":      {inCookies, session.Features{ServerSide: true}, func(f session.Features) bool { return f.ServerSide }},
		"SubjectSessions": {onServer, session.Features{SubjectSessions: true}, func(f session.Features) bool { return f.SubjectSessions }},
		"DestroySubject":  {onServer, session.Features{DestroySubject: true}, func(f session.Features) bool { return f.DestroySubject }},
	} {
		_, err := session.Config{Require: tt.require}.New(tt.store)
		require.ErrorContains(t, err, "Config.Require."+name)
		list := regexp.MustCompile("; drivers (.*) can, and migrate").FindStringSubmatch(err.Error())
		require.Len(t, list, 2, "%v", err)
		named := strings.Split(strings.ReplaceAll(list[1], " and ", ", "), ", ")
		var want []string
		for driver, has := range features {
			if tt.has(has) {
				want = append(want, driver)
			}
		}
		require.ElementsMatch(t, want, named, name)
	}
}

// The migrate driver has the features that both of its stores have.
func TestMigrateHasFeaturesOfBoth(t *testing.T) {
	for _, pair := range [][2]string{{"memory:", "memcache:127.0.0.1:1"}, {"memcache:127.0.0.1:1", "memory:"}} {
		dsn := url.Values{"stage": {"move"}, "old": {pair[0]}, "new": {pair[1]}}.Encode()
		cfg := session.Config{SweepInterval: -1, Require: session.Features{ServerSide: true, DestroySubject: true}}
		f, err := cfg.Open("migrate", dsn)
		require.NoError(t, err)
		require.Equal(t, cfg.Require, f.Features())
		require.NoError(t, f.Close())
		cfg.Require.SubjectSessions = true
		_, err = cfg.Open("migrate", dsn)
		require.ErrorContains(t, err, `session: driver "migrate" can't list the sessions of a subject (Config.Require.SubjectSessions); drivers `)
	}
}
