package migrate_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivertest"
)

func dsn(name, stage string) string {
	return "new=memory:" + url.PathEscape(name) + "-new&old=memory:" + url.PathEscape(name) + "-old&stage=" + stage
}

func TestConformance(t *testing.T) {
	for _, stage := range []string{"prepare", "move"} {
		t.Run(stage, func(t *testing.T) {
			drivertest.Run(t, drivertest.Target{
				Driver:     migrate.Driver{},
				DSN:        func(t testing.TB) string { return dsn(t.Name(), stage) },
				Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
				BadDSN:     []string{"", "new=memory:&old=memory:", "stage=later&new=memory:&old=memory:"},
			})
		})
	}
}

func TestDSN(t *testing.T) {
	store, err := migrate.Driver{}.Open("new=memory:a&old=sqlite:file:" + t.TempDir() + "/s.db?_synchronous=FULL%26_busy_timeout=100&stage=move")
	require.NoError(t, err)
	require.NoError(t, store.Close())

	for dsn, want := range map[string]string{
		"new=memory:a&old=memory:b":                          "stage must be prepare or move",
		"new=memory:a&old=memory:b&stage=soon":               "stage must be prepare or move",
		"new=memory:a&stage=move":                            `"old" must be a driver, a colon and its DSN`,
		"old=memory:a&stage=move":                            `"new" must be a driver, a colon and its DSN`,
		"new=memory&old=memory:b&stage=move":                 `"new" must be`,
		"new=migrate:x&old=memory:b&stage=move":              `"new" must be`,
		"new=memory:a&new=memory:b&old=memory:&stage=move":   `"new" is given more than once`,
		"new=memory:%zz&old=memory:&stage=move":              `"new" is malformed`,
		"new=memory:a&old=memory:b&stage=move&secret=x":      "unknown DSN parameter",
		"new=secretdriver:a&old=memory:b&stage=move":         "migrate: new: ",
		"new=memory:a&old=sqlite:file:x?secret=1&stage=move": "migrate: old: ",
		"new=cookie:unrevocable%26secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=&old=memory:&stage=move": "with the clients",
	} {
		_, err := migrate.Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
		require.NotContains(t, strings.ReplaceAll(err.Error(), "secretdriver", ""), "secret=")
	}
}
