package acceptance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests that the commands of CONTRIBUTING.md run exist, in the folders that they name.
func TestContributingNamesTests(t *testing.T) {
	command := regexp.MustCompile("go test [^`#\n]*")
	option := regexp.MustCompile(`-(?:run|fuzz|bench) '?\^?((?:Test|Fuzz)\w+|Request)`)
	folder := regexp.MustCompile(`^go test(?: -C (\S+))?.* (\./\S+|\.) *$`)
	named := 0
	for _, line := range command.FindAllString(read(t, "CONTRIBUTING.md"), -1) {
		where := folder.FindStringSubmatch(line)
		for _, match := range option.FindAllStringSubmatch(line, -1) {
			require.NotEmpty(t, where, "%q names no folder", line)
			name := strings.Replace(match[1], "Request", "BenchmarkRequest", 1)
			require.True(t, strings.Contains(testsIn(t, filepath.Join(where[1], where[2])), "func "+name+"("), "%q: there is no %s in that folder", line, name)
			named++
		}
	}
	require.GreaterOrEqual(t, named, 5)
}

// testsIn returns the text of the tests in a folder of the repository.
func testsIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, folder, "*_test.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
