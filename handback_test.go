package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// upload posts a form with a file that net/http keeps on disk.
func upload(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("name", "ada"))
	file, err := form.CreateFormFile("file", "a.txt")
	require.NoError(t, err)
	_, err = io.Copy(file, io.LimitReader(zeros{}, 64<<10))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return c.Do(r)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// The temporary files of an upload are removed after the request, however it ends.
func TestUploadsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	parse := func(r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			panic(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			panic(fmt.Sprint("the upload is not on disk: ", files, err))
		}
	}
	outer := func(next http.Handler) http.Handler { return next }
	for name, tt := range map[string]struct {
		around func(http.Handler) http.Handler
		inside http.HandlerFunc
	}{
		"return":  {outer, func(w http.ResponseWriter, r *http.Request) { parse(r) }},
		"session": {outer, func(w http.ResponseWriter, r *http.Request) { parse(r); _ = current(t, r).Set("n", 1) }},
		"panic":   {outer, func(w http.ResponseWriter, r *http.Request) { parse(r); panic(http.ErrAbortHandler) }},
		"recovered": {recovering, func(w http.ResponseWriter, r *http.Request) {
			parse(r)
			panic("oops")
		}},
		"hijack": {outer, func(w http.ResponseWriter, r *http.Request) {
			parse(r)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				_ = conn.Close()
			}
		}},
		"copied outside": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), t, 1)))
			})
		}, func(w http.ResponseWriter, r *http.Request) { parse(r) }},
		"TimeoutHandler outside": {func(next http.Handler) http.Handler {
			return http.TimeoutHandler(next, time.Minute, "")
		}, func(w http.ResponseWriter, r *http.Request) { parse(r) }},
		"parsed outside": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				parse(r)
				next.ServeHTTP(w, r)
				file, _, err := r.FormFile("file")
				if err != nil {
					panic(err)
				}
				_ = file.Close()
			})
		}, func(w http.ResponseWriter, r *http.Request) {}},
		"removed inside": {outer, func(w http.ResponseWriter, r *http.Request) {
			parse(r)
			_ = r.MultipartForm.RemoveAll()
			r.MultipartForm = nil
		}},
		"reader inside": {outer, func(w http.ResponseWriter, r *http.Request) {
			_, err := r.MultipartReader()
			if err != nil {
				panic(err)
			}
		}},
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			if proto == "HTTP/2.0" && name == "hijack" {
				continue
			}
			t.Run(name+"/"+proto, func(t *testing.T) {
				f := factory(t, session.Config{}, newProbe())
				second := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
				srv := httptest.NewUnstartedServer(tt.around(second.Handler(f.Handler(tt.inside))))
				srv.EnableHTTP2 = proto == "HTTP/2.0"
				srv.StartTLS()
				defer srv.Close()
				resp, err := upload(t, srv.Client(), srv.URL)
				if name != "panic" {
					require.NoError(t, err)
					require.Equal(t, proto, resp.Proto)
					require.NoError(t, resp.Body.Close())
				}
				require.EventuallyWithT(t, func(c *assert.CollectT) {
					files, err := os.ReadDir(dir)
					require.NoError(c, err)
					require.Empty(c, files)
				}, time.Minute, 10*time.Millisecond)
			})
		}
	}
}

// Handlers outside see the pattern and path values of a ServeMux inside, and the parsed form.
func TestRequestIsHandedBack(t *testing.T) {
	f := factory(t, quiet(session.Config{}), newProbe())
	second := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	mux := http.NewServeMux()
	handle := func(pattern string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { _ = r.FormValue("a") })
	}
	for _, pattern := range []string{"GET /users/{id}/posts/{post}", "/files/{path...}", "example.org/{$}", "/plain", "POST /form/{id}"} {
		handle(pattern)
	}
	mux.HandleFunc("/panic/{id}", func(w http.ResponseWriter, r *http.Request) { panic("oops") })
	for url, want := range map[string]struct {
		pattern string
		values  map[string]string
	}{
		"https://example.com/users/7/posts/8": {"GET /users/{id}/posts/{post}", map[string]string{"id": "7", "post": "8", "path": "", "$": ""}},
		"https://example.com/files/a/b":       {"/files/{path...}", map[string]string{"path": "a/b"}},
		"https://example.org/":                {"example.org/{$}", map[string]string{"$": ""}},
		"https://example.com/plain":           {"/plain", nil},
		"https://example.com/panic/9":         {"/panic/{id}", map[string]string{"id": "9"}},
		"https://example.com/absent":          {"", nil},
	} {
		r := httptest.NewRequest("GET", url+"?a=1", nil)
		r.Pattern = "/" // of a mux outside
		recovering(second.Handler(f.Handler(mux))).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, want.pattern, r.Pattern, url)
		for name, value := range want.values {
			require.Equal(t, value, r.PathValue(name), url)
		}
	}
	r := httptest.NewRequest("POST", "https://example.com/form/1", strings.NewReader("a=2"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	f.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "2", r.PostForm.Get("a"))
	require.Equal(t, "2", r.Form.Get("a"))
	require.Equal(t, "1", r.PathValue("id"))
	require.Nil(t, r.MultipartForm)
}

// A field of the request that does not change is not written, because a goroutine of a handler outside
// may read it.
func TestUnchangedIsNotWritten(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	r := httptest.NewRequest("GET", "https://example.com/?a=1", nil)
	done := make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(done)
		close(started)
		for range 1000 {
			_, _, _, _ = r.URL.Path, r.Pattern, r.Form, r.MultipartForm
			_ = r.Context()
		}
	}()
	<-started
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = current(t, r).Set("n", 1)
		r.Body = http.NoBody
	})).ServeHTTP(httptest.NewRecorder(), r)
	<-done
}

// Both requests may share the map with the path values that a router inside has set. It is not
// written, because a handler inside that has timed out may read it after the request.
func TestSharedPathValuesAreNotWritten(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	stop := make(chan struct{})
	var cutOff sync.WaitGroup
	slow := http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer cutOff.Done()
		for {
			_, _ = r.PathValue("tenant"), r.PathValue("id")
			select {
			case <-stop:
				return
			default:
			}
		}
	}), time.Millisecond, "")
	router := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as chi does it
		r.Pattern = "/tenants/{tenant}/users/{id}"
		r.SetPathValue("id", "7")
		cutOff.Add(1)
		slow.ServeHTTP(w, r)
	})
	r := get()
	r.SetPathValue("tenant", "a")
	f.Handler(router).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "/tenants/{tenant}/users/{id}", r.Pattern)
	require.Equal(t, "a7", r.PathValue("tenant")+r.PathValue("id"))
	close(stop)
	cutOff.Wait()
}
