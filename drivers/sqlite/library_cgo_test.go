//go:build cgo

package sqlite

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// SQLDriver is the name under which the library registers its SQL driver.
const SQLDriver = "sqlite3"

// limitLength sets the maximum length of values for a connection.
func limitLength(t *testing.T, c *sql.Conn, bytes int) {
	t.Helper()
	require.NoError(t, c.Raw(func(c any) error {
		c.(*conn).libraryConn.(*sqlite3.SQLiteConn).SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, bytes)
		return nil
	}))
}

// Processes with and without cgo can use a file at the same time.
func TestBothLibraries(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the compiler")
	}
	program := filepath.Join(t.TempDir(), "nocgo")
	compiler := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	compiler.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := compiler.CombinedOutput()
	require.NoError(t, err, "%s", out)

	for _, journal := range []string{"WAL", "DELETE"} {
		dsn := filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=" + journal
		var all sync.WaitGroup
		for i := range 4 {
			cmd := child(t, "increment", dsn)
			if i%2 == 1 {
				cmd.Path = program
			}
			all.Go(func() {
				if err := cmd.Run(); err != nil {
					t.Errorf("child process %d: %v; want success", i, err)
				}
			})
		}
		all.Wait()
		s := open(t, dsn)
		r, err := s.Retrieve(t.Context(), "counter")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(4*increments), string(r.Data))
		requireIntact(t, s.(*store).db)
	}
}
