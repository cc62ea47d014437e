package acceptance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
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
	dir := t.TempDir()
	f, err := session.Open("sqlite", filepath.Join(dir, "s.db"))
	require.NoError(t, err)
	defer f.Close()
	s := created(t, f)
	require.NoError(t, s.Set("mark", "the-mark"))
	require.NoError(t, s.Flush(t.Context()))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Greater(t, len(files), 1, "files of the database: want its log too")
	marked := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), s.ID().Reveal(), file)
		marked = marked || strings.Contains(string(text), "the-mark")
	}
	require.True(t, marked, "no file contains the value of the session")
}
