package acceptance_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// The tests that SECURITY.md names exist, in the folders that it names.
func TestSecurityNamesTests(t *testing.T) {
	name, in := regexp.MustCompile(`\bTest[A-Z]\w*`), regexp.MustCompile(` in ([a-z]+(?:/[a-z]+)*)`)
	named := 0
	for line := range strings.Lines(read(t, "SECURITY.md")) {
		here := testsIn(t, ".")
		for _, match := range in.FindAllStringSubmatch(line, -1) {
			here += testsIn(t, match[1])
		}
		for _, test := range name.FindAllString(line, -1) {
			require.True(t, strings.Contains(here, "func "+test+"("), "SECURITY.md names %s; want it in the root or in a folder that the line names", test)
			named++
		}
	}
	require.Greater(t, named, 60)
}

// The session ID is in no file of the database.
func TestIDIsNowhere(t *testing.T) {
	for driver, open := range map[string]func(t *testing.T) (dsn, dir string){
		"sqlite": func(t *testing.T) (dsn, dir string) {
			dir = t.TempDir()
			return filepath.Join(dir, "s.db"), dir
		},
		"postgres": func(t *testing.T) (dsn, dir string) {
			server := testserver.StartPostgres(t)
			return server.DSN(server.NewDatabase(t), ""), dataOf(t, server.Server)
		},
		"redis": func(t *testing.T) (dsn, dir string) {
			server := testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no")
			return "redis://" + server.Addr, server.Dir()
		},
		"mysql": func(t *testing.T) (dsn, dir string) {
			server := testserver.StartMariaDB(t)
			return server.DSN(server.NewDatabase(t), ""), dataOf(t, server.Server)
		},
	} {
		t.Run(driver, func(t *testing.T) {
			dsn, dir := open(t)
			f, err := patient.Open(driver, dsn)
			require.NoError(t, err)
			defer f.Close()
			s := created(t, f)
			require.NoError(t, s.Set("mark", "the-mark"))
			require.NoError(t, s.Flush(t.Context()))
			require.NoError(t, s.SignIn(t.Context(), "ada"))
			require.NoError(t, s.Flush(t.Context()))
			files, marked := 0, 0
			require.NoError(t, filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) || err == nil && !entry.Type().IsRegular() {
					return nil
				}
				text, err := os.ReadFile(file)
				if errors.Is(err, fs.ErrNotExist) {
					return nil // a file that the server needed for a moment
				}
				files++
				require.False(t, bytes.Contains(text, []byte(s.ID().Reveal())), file)
				if bytes.Contains(text, []byte("the-mark")) {
					marked++
				}
				return err
			}))
			require.Greater(t, files, 1, "files of the database: want its log too")
			require.Positive(t, marked, "no file contains the value of the session")
		})
	}
}

// dataOf returns the data directory of a server that the test has started.
func dataOf(t *testing.T, server *testserver.Server) string {
	t.Helper()
	if server == nil {
		t.Skip("the environment names the server, whose files are elsewhere")
	}
	return server.Dir()
}
