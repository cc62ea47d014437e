package migrate_test

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/drivertest"
)

func dsn(name, stage string) string {
	return "new=memory:" + url.PathEscape(name) + "-new&old=memory:" + url.PathEscape(name) + "-old&stage=" + stage
}

func TestConformance(t *testing.T) {
	for _, stage := range []string{"prepare", "move"} {
		t.Run(stage, func(t *testing.T) {
			// It has no Count: a session that has ended leaves an empty record for some time.
			drivertest.Run(t, drivertest.Target{
				Driver:     migrate.Driver{},
				DSN:        func(t testing.TB) string { return dsn(t.Name(), stage) },
				Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
				BadDSN:     []string{"", "new=memory:&old=memory:", "stage=later&new=memory:&old=memory:"},
				Neighbours: func(testing.TB) (a, b string) {
					name := rand.Text()
					return dsn(name, stage), dsn(name+"2", stage)
				},
			})
		})
	}
}

// dsnRecorder is a driver that records the DSN it was opened with.
type dsnRecorder struct{ dsn string }

func (d *dsnRecorder) Open(dsn string) (driver.Store, error) {
	d.dsn = dsn
	return newMemory(), nil
}

func TestDSN(t *testing.T) {
	old, name := new(dsnRecorder), "recorder-"+rand.Text() // with -count, the test runs more than once
	session.Register(name, old)
	store, err := migrate.Driver{}.Open("new=memory:a&old=" + name + ":file:/s.db?_synchronous=FULL%26_busy_timeout=100&stage=move")
	require.NoError(t, err)
	require.NoError(t, store.Close())
	require.Equal(t, "file:/s.db?_synchronous=FULL&_busy_timeout=100", old.dsn)

	for dsn, want := range map[string]string{
		"":                                                 "the DSN is empty",
		"new=memory:a&old=memory:b":                        "stage must be prepare or move",
		"new=memory:a&old=memory:b&stage=soon":             "stage must be prepare or move",
		"new=memory:a&stage=move":                          `"old" must be the name of a driver, a colon and its DSN`,
		"old=memory:a&stage=move":                          `"new" must be the name of a driver, a colon and its DSN`,
		"new=memory&old=memory:b&stage=move":               `"new" must be`,
		"new=migrate:x&old=memory:b&stage=move":            `"new" must be`,
		"new=memory:a&new=memory:b&old=memory:&stage=move": `"new" is given more than once`,
		"new=memory:%zz&old=memory:&stage=move":            `"new" is malformed`,
		"new=memory:a&old=memory:b&stage=move&secret=x":    "unknown DSN parameter",
		"new=secretdriver:a&old=memory:b&stage=move":       "must name a registered driver",
		"new=memory:a&old=memory:b?secret=1&stage=move":    "migrate: old: ",
		"new=cookie:unrevocable%26secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=&old=memory:&stage=move": "in the clients' cookies",
	} {
		_, err := migrate.Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, "Open(%q)", dsn)
		require.NotContains(t, err.Error(), "secret", "Open(%q)", dsn)
	}
}
