package session_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// The tests that SECURITY.md names are there, where it says.
func TestSecurityNamesTests(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	tests := func(dir string) string {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		require.NoError(t, err)
		var all strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all.Write(text)
		}
		return all.String()
	}
	name, in := regexp.MustCompile(`\bTest[A-Z]\w*`), regexp.MustCompile(` in ([a-z]+/[a-z]+)`)
	named := 0
	for line := range strings.Lines(string(page)) {
		here := tests(".")
		for _, match := range in.FindAllStringSubmatch(line, -1) {
			here += tests(match[1])
		}
		for _, test := range name.FindAllString(line, -1) {
			require.True(t, strings.Contains(here, "func "+test+"("), "%s is not where SECURITY.md says", test)
			named++
		}
	}
	require.Greater(t, named, 60)
}

// An ID in a URL, a form or another header is no session (OWASP ASVS 5.0, 14.2.1).
func TestOnlyCookiesAreRead(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := string(created(t, f).ID())
	p.take()
	r := httptest.NewRequest("POST", "https://example.com/?session="+id+"&__Host-session="+id, strings.NewReader("__Host-session="+id))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+id)
	r.Header.Set("X-Session", id)
	f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		require.True(t, current(t, r).IsNew())
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.Empty(t, p.take())
}

// The ID is in no file of the database.
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
	require.Greater(t, len(files), 1, "the log beside the database too")
	marked := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), string(s.ID()), file)
		marked = marked || strings.Contains(string(text), "the-mark")
	}
	require.True(t, marked, "the session is in one of them")
}
