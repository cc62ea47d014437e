package session_test

import (
	"bufio"
	"fmt"
	"net"
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
)

// blocks returns the code blocks of a language of a page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		found = append(found, string(match[1]))
	}
	require.NotEmpty(t, found)
	return found
}

// fragment is a program around code of the README that is none.
const fragment = `package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	gomemcache "github.com/bradfitz/gomemcache/memcache"
	mongodb "go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memcache"
	"gosession.dev/session/drivers/mongo"
	"gosession.dev/session/drivers/sqlstore"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/examples/filedriver"
	"gosession.dev/session/sessiontest"
)

const day = 24 * time.Hour

var (
	ctx                    context.Context
	db                     *sql.DB
	client                 *mongodb.Client
	cache                  *gomemcache.Client
	key                    session.Key
	token, device          string
	_                      = errors.Is
	_                      = fmt.Sprint
	_                      = os.Getenv
	_                      = sqlstore.New
	_                      = mongo.New
	_                      = memcache.New
	_                      = drivertest.Run
	_                      = slog.Default
	_                      http.Handler
	_                      = sessiontest.New
	dst, src               driver.Store
	t                      *testing.T
	_                      = filedriver.Driver{}
	_                      testing.TB
)

func handle(context.Context) {}

func main() {}
`

// Each snippet compiles, of the README and of the pages that are not a walk-through.
func TestReadmeCompiles(t *testing.T) {
	for _, page := range []string{"README.md", "docs/choosing-a-backend.md", "docs/moving-backends.md", "docs/expiry-and-sign-in.md", "docs/coming-from.md"} {
		t.Run(page, func(t *testing.T) { compiles(t, blocks(t, page, "go")) })
	}
}

// compiles compiles the snippets of a page: whole programs alone, the rest together.
func compiles(t *testing.T, snippets []string) {
	all := fragment
	for i, code := range snippets {
		switch {
		case strings.HasPrefix(code, "package "):
			build(t, code)
		case strings.HasPrefix(code, "func "):
			all += code
		default:
			all += fmt.Sprintf("func snippet%d(sessions *session.Factory, s *session.Session, err error) error {\n{\n%s\n%s}\nreturn err\n}\n", i, code, uses(code))
		}
	}
	build(t, all)
}

func build(t *testing.T, code string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), file).CombinedOutput()
	require.NoError(t, err, "%s\n%s", code, out)
}

// uses keeps the compiler from minding variables that a snippet only shows.
func uses(code string) string {
	var uses strings.Builder
	for _, match := range regexp.MustCompile(`(?m)^(\w+)(?:, err)? :=`).FindAllStringSubmatch(code, -1) {
		fmt.Fprintf(&uses, "_, _ = %s, err\n", match[1])
	}
	return uses.String()
}

// The program runs, and counts.
func TestReadmeProgram(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	addr := fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	require.NoError(t, listener.Close())

	program := blocks(t, "README.md", "go")[0]
	require.Contains(t, program, "localhost:8080")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(program, "localhost:8080", addr)), 0o600))
	bin := filepath.Join(dir, "program")
	out, err := exec.Command("go", "build", "-o", bin, filepath.Join(dir, "main.go")).CombinedOutput()
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
	c := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	visit := func() (line string, err error) {
		resp, err := c.Get("http://" + addr)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return bufio.NewReader(resp.Body).ReadString('\n')
	}
	require.Eventually(t, func() bool { line, err := visit(); return err == nil && line == "visits: 1\n" }, 20*time.Second, 20*time.Millisecond)
	line, err := visit()
	require.NoError(t, err)
	require.Equal(t, "visits: 2\n", line)
	require.FileExists(t, filepath.Join(dir, "sessions.db"))
}

// The commands are those that are run elsewhere: CI runs the second, which runs
// the tests of the first.
func TestReadmeCommands(t *testing.T) {
	commands := blocks(t, "README.md", "sh")
	require.Equal(t, []string{"go run ./examples/webapp\n", "bash test.sh\n", "go get gosession.dev/session\n"}, commands)
	ci, err := os.ReadFile(".ci/run")
	require.NoError(t, err)
	require.Contains(t, string(ci), "exec "+strings.TrimSpace(commands[1]))
	require.FileExists(t, "examples/webapp/main.go")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "    go run -C soak . -driver sqlite -for 10m\n")
	tests, err := os.ReadFile("test.sh")
	require.NoError(t, err)
	require.Contains(t, string(tests), "go run -C soak . -driver sqlite")
}

// What the walk-through shows is what is in the driver.
func TestWalkThroughIsTrue(t *testing.T) {
	var driver strings.Builder
	files, err := filepath.Glob("examples/filedriver/*.go")
	require.NoError(t, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		driver.Write(src)
	}
	for _, code := range blocks(t, "docs/writing-a-driver.md", "go") {
		require.Contains(t, driver.String(), strings.TrimRight(code, "\n"))
	}
}
