package acceptance_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/port"
)

// repository is the root of the repository.
const repository = ".."

// read returns the text of a file in the repository.
func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	require.NoError(t, err)
	return string(text)
}

// blocks returns the code blocks in this language on a page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
		found = append(found, match[1])
	}
	require.NotEmpty(t, found)
	return found
}

// Each Go snippet of the README and of these pages compiles as it stands.
func TestSnippetsCompile(t *testing.T) {
	for _, page := range []string{"README.md", "docs/choosing-a-backend.md", "docs/moving-backends.md", "docs/expiry-and-sign-in.md", "docs/coming-from.md"} {
		for i, code := range blocks(t, page, "go") {
			t.Run(fmt.Sprintf("%s/%d", page, i+1), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "snippet.go")
				require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
				out, err := exec.Command("go", "vet", file).CombinedOutput()
				require.NoError(t, err, "%s\n%s", code, out)
				out, err = exec.Command("gofmt", "-l", file).CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.Empty(t, string(out), "gofmt changes this snippet:\n%s", code)
			})
		}
	}
}

// The first program of the README runs, and counts visits.
func TestReadmeProgram(t *testing.T) {
	dir := t.TempDir()
	reserved, release, err := port.Reserve()
	require.NoError(t, err)
	defer release()
	addr := strings.Replace(reserved, "127.0.0.1", "localhost", 1)

	program := blocks(t, "README.md", "go")[0]
	require.Contains(t, program, "localhost:8080")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(program, "localhost:8080", addr)), 0o600))
	bin := filepath.Join(dir, "program")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, filepath.Join(dir, "main.go")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(bin)
	cmd.Dir = dir
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c := &http.Client{Jar: jar, Timeout: time.Minute}
	visit := func() (line string, err error) {
		resp, err := c.Get("http://" + addr)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return bufio.NewReader(resp.Body).ReadString('\n')
	}
	require.Eventually(t, func() bool { line, err := visit(); return err == nil && line == "visits: 1\n" }, 2*time.Minute, 20*time.Millisecond)
	line, err := visit()
	require.NoError(t, err)
	require.Equal(t, "visits: 2\n", line)
	require.FileExists(t, filepath.Join(dir, "sessions.db"))
}

// The shell commands of the README are tested elsewhere: CI runs test.sh, which tests
// examples/webapp and runs the soak test.
func TestReadmeCommands(t *testing.T) {
	commands := blocks(t, "README.md", "sh")
	require.Equal(t, []string{"go run ./examples/webapp\n", "bash test.sh\n", "go get gosession.dev/session gosession.dev/session/drivers/sqlite\n"}, commands)
	require.Contains(t, read(t, ".ci/run"), "exec "+strings.TrimSpace(commands[1]))
	require.FileExists(t, filepath.Join(repository, "examples/webapp/main.go"))
	require.Contains(t, read(t, "README.md"), "    go run -C soak . -driver sqlite -for 10m\n")
	require.Contains(t, read(t, "test.sh"), "go run -C soak . -driver sqlite")
}

// The snippets of docs/writing-a-driver.md are code of examples/filedriver and examples/boltdriver.
func TestWalkThroughMatchesDriver(t *testing.T) {
	var driver strings.Builder
	files, err := filepath.Glob(filepath.Join(repository, "examples/*driver/*.go"))
	require.NoError(t, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		driver.Write(src)
	}
	for _, code := range blocks(t, "docs/writing-a-driver.md", "go") {
		require.Contains(t, driver.String(), strings.TrimRight(code, "\n"), "a snippet that is in no example of a driver")
	}
}
