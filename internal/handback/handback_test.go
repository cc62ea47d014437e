package handback_test

import (
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/handback"
)

func TestCopyOfPattern(t *testing.T) {
	outside := httptest.NewRequest("GET", "https://example.com/a/1/rest/of/it", nil)
	outside.SetPathValue("kept", "outer")
	inside := outside.WithContext(t.Context())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{id}/{rest...}", func(_ http.ResponseWriter, r *http.Request) { handback.Copy(outside, r) })
	mux.ServeHTTP(httptest.NewRecorder(), inside)
	require.Equal(t, "GET /a/{id}/{rest...}", outside.Pattern)
	require.Equal(t, "1", outside.PathValue("id"))
	require.Equal(t, "rest/of/it", outside.PathValue("rest"))
	require.Equal(t, "outer", outside.PathValue("kept"))
}

// Patterns without names, and malformed ones, yield no wildcard.
func TestCopyOfPatternWithoutNames(t *testing.T) {
	for _, pattern := range []string{"/{$}", "/a/{...}", "/", "", "/{", "/}{", "{}", "/{a"} {
		outside := httptest.NewRequest("GET", "https://example.com/", nil)
		inside := outside.WithContext(t.Context())
		inside.Pattern = pattern
		handback.Copy(outside, inside)
		require.Equal(t, pattern, outside.Pattern)
	}
}

func TestCopyOfForm(t *testing.T) {
	outside := httptest.NewRequest("POST", "https://example.com/?q=1", strings.NewReader("a=2"))
	outside.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	inside := outside.WithContext(t.Context())
	handback.Copy(outside, inside)
	require.Nil(t, outside.Form)
	require.NoError(t, inside.ParseForm())
	handback.Copy(outside, inside)
	require.Equal(t, url.Values{"q": {"1"}, "a": {"2"}}, outside.Form)
	require.Equal(t, url.Values{"a": {"2"}}, outside.PostForm)

	parsed := outside.Form
	other := outside.WithContext(t.Context())
	other.Form, other.PostForm = url.Values{}, url.Values{}
	handback.Copy(outside, other)
	require.Equal(t, parsed, outside.Form, "the outer handler's own form stays")
}

// The temporary files of a form that was parsed inside are removed, and the files of the outer
// request's own form are left to net/http.
func TestCopyOfMultipartForm(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() int {
		found, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(found)
	}
	post := func() *http.Request {
		var body strings.Builder
		form := multipart.NewWriter(&body)
		file, err := form.CreateFormFile("file", "a.txt")
		require.NoError(t, err)
		_, err = file.Write(make([]byte, 64<<10))
		require.NoError(t, err)
		require.NoError(t, form.Close())
		r := httptest.NewRequest("POST", "https://example.com/", strings.NewReader(body.String()))
		r.Header.Set("Content-Type", form.FormDataContentType())
		return r
	}

	outside := post()
	inside := outside.WithContext(t.Context())
	require.NoError(t, inside.ParseMultipartForm(1))
	require.Equal(t, 1, files())
	handback.Copy(outside, inside)
	require.Zero(t, files())
	require.Same(t, inside.MultipartForm, outside.MultipartForm)

	outside = post()
	require.NoError(t, outside.ParseMultipartForm(1))
	handback.Copy(outside, outside.WithContext(t.Context()))
	require.Equal(t, 1, files())
	require.NoError(t, outside.MultipartForm.RemoveAll())
}
