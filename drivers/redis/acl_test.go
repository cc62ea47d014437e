package redis

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// The permissions that the package comment lists suffice.
func TestPermissions(t *testing.T) {
	server := testserver.StartRedis(t)
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, line, found := strings.Cut(strings.ReplaceAll(string(text), "\n//", "\n"), "ACL SETUSER web ")
	require.True(t, found)
	line, _, _ = strings.Cut(line, "\n\n")
	server.Do(t, append([]string{"ACL", "SETUSER", "web"}, strings.Fields(line)...)...)
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	s := open(t, "redis://web:secret@"+server.Addr)
	require.ErrorIs(t, s.Ping(t.Context()), errEvicts)
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	for name, call := range calls {
		require.NoError(t, call(t.Context(), s, create(t, s, name)), name)
	}
	createMany(t, s, 2*batchSize, "ada")
	for _, err := range s.Sessions(t.Context()) {
		require.NoError(t, err)
	}
	require.Len(t, keysOf(t, s, "ada"), 2*batchSize)
	require.NoError(t, s.DestroySubject(t.Context(), "ada", "ada-0"))
	_, err = s.DeleteExpired(t.Context())
	require.NoError(t, err)
}
