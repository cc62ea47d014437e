package suggest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Only packages that exist are suggested.
func TestDriver(t *testing.T) {
	for name, want := range map[string]string{
		"sqlite":       `(forgotten import _ "gosession.dev/session/drivers/sqlite"?)`,
		"SQLite":       `did you mean "sqlite", and import _ "gosession.dev/session/drivers/sqlite"?`,
		"sqlite3":      `did you mean "sqlite"`,
		"sqllite":      `did you mean "sqlite"`,
		"sql":          `did you mean "sqlite"`,
		"memcached":    `did you mean "memcache"`,
		"MemCached":    `did you mean "memcache"`,
		"mongodb":      `did you mean "mongo"`,
		"mango":        `did you mean "mongo"`,
		"inmemory":     `did you mean "memory"?)`,
		"in-memory":    `did you mean "memory"?)`,
		"Memory":       `did you mean "memory"?)`,
		"mem":          `did you mean "memory"?)`,
		"memroy":       `did you mean "memory"?)`,
		"exampel":      `did you mean "example"?)`,
		"cookies":      `did you mean "cookie"`,
		"migration":    "",
		"redis":        `(forgotten import _ "gosession.dev/session/drivers/redis"?)`,
		"rediss":       `did you mean "redis"`,
		"postgres":     `(forgotten import _ "gosession.dev/session/drivers/postgres"?)`,
		"postgresql":   `did you mean "postgres"`,
		"pg":           "",
		"mysql":        `(forgotten import _ "gosession.dev/session/drivers/mysql"?)`,
		"mysql8":       `did you mean "mysql"`,
		"mariadb":      "",
		"dynamodb":     "",
		"":             "",
		"m":            "",
		"\u2603":       "",
		"valkey-7\x00": "",
	} {
		got := Driver(name, []string{"memory", "example"})
		if want == "" {
			require.Empty(t, got, name)
			continue
		}
		require.Contains(t, got, want, name)
	}
}
