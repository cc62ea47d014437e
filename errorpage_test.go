package session_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// commitFails returns a handler that changes its session, and whose commit fails.
func commitFails(t *testing.T, store *sessiontest.Store, then http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		store.Inject(sessiontest.Fault{Calls: []string{"Flush", "Create"}, Err: sessiontest.ErrOutage, Times: 9})
		then(w, r)
	})
}

// An error page has the header fields that handlers outside have set, as they were when the request
// came in, and none that the handler has set for its own page.
func TestHeaderOfTheErrorPage(t *testing.T) {
	outside := http.Header{
		"Content-Security-Policy": {"default-src 'self'"}, "X-Shared": append(make([]string, 0, 4), "1"), "Vary": {"Origin"}, "Set-Cookie": {"lang=en; Path=/"},
		"Date": nil, "Cache-Control": {"private"}, "Content-Length": {"3"}, "X-Changed": {"a", "b"}, "X-Deleted": {"a"}, "x-raw": {"a"}, "Trailer": {"X-Sum"},
	}
	want := http.Header{
		"Content-Security-Policy": {"default-src 'self'"}, "X-Shared": {"1"}, "Vary": {"Origin", "Cookie"}, "Set-Cookie": {"lang=en; Path=/"},
		"Date": nil, "Cache-Control": {"no-store"}, "X-Changed": {"a", "b"}, "X-Deleted": {"a"}, "x-raw": {"a"}, "Trailer": {"X-Sum"},
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"},
	}
	own := []string{
		"Content-Disposition", "Content-Encoding", "Content-Length", "Content-Type", "Content-Range", "Content-Language", "Content-Location", "Accept-Ranges", "ETag", "Last-Modified",
		"Expires", "Age", "Trailer", "Link", "Location", "Refresh", "Clear-Site-Data", "X-Accel-Redirect", "X-Sendfile", "Retry-After", "WWW-Authenticate", "Access-Control-Allow-Origin",
		"Service-Worker-Allowed", "X-Unknown", http.TrailerPrefix + "X",
	}
	spoil := func(w http.ResponseWriter) {
		h := w.Header()
		for _, field := range own {
			h.Set(field, "1")
		}
		h.Add("Set-Cookie", "cart=1")
		h.Add("Vary", "Accept")
		h["X-Shared"] = append(h["X-Shared"], "2")
		h["X-Changed"][0] = "changed"
		h.Set("Cache-Control", "public, max-age=60")
		h.Del("X-Deleted")
		h["Date"] = []string{"today"}
		h["x-raw"] = append(h["x-raw"], "b")
	}
	for name, then := range map[string]http.HandlerFunc{
		"return":       func(w http.ResponseWriter, r *http.Request) { spoil(w) },
		"Write":        func(w http.ResponseWriter, r *http.Request) { spoil(w); fmt.Fprint(w, "page") },
		"WriteHeader":  func(w http.ResponseWriter, r *http.Request) { spoil(w); w.WriteHeader(http.StatusCreated) },
		"no content":   func(w http.ResponseWriter, r *http.Request) { spoil(w); w.WriteHeader(http.StatusNoContent) },
		"not modified": func(w http.ResponseWriter, r *http.Request) { spoil(w); w.WriteHeader(http.StatusNotModified) },
		"redirect":     func(w http.ResponseWriter, r *http.Request) { spoil(w); http.Redirect(w, r, "/", http.StatusSeeOther) },
		"Flush":        func(w http.ResponseWriter, r *http.Request) { spoil(w); _ = http.NewResponseController(w).Flush() },
		"cleared":      func(w http.ResponseWriter, r *http.Request) { clear(w.Header()) },
		"more after it": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "page")
			spoil(w)
			fmt.Fprint(w, "page")
			w.WriteHeader(http.StatusCreated)
		},
		"panic after it": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "page")
			spoil(w)
			panic("oops")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := tracked(t, session.Config{})
			id := created(t, f).ID()
			w := &keptHeader{httptest.NewRecorder()}
			for field, lines := range outside {
				w.Header()[field] = append(lines[:0:cap(lines)], lines...)
				if lines == nil {
					w.Header()[field] = nil
				}
			}
			w.Header()["X-Changed"] = []string{"a", "b"}
			h := recovering(f.Handler(commitFails(t, store, then)))
			r := get()
			r.Header.Set("Cookie", "__Host-session="+id.Reveal())
			h.ServeHTTP(w, r)
			require.Equal(t, 503, w.Code)
			require.Equal(t, "Service Unavailable\n", strings.TrimSuffix(w.Body.String(), "sorry\n"))
			got := w.Header()
			if name == "panic after it" {
				return // recovering changes the header
			}
			require.Equal(t, want, got)
		})
	}
}

// keptHeader is the ResponseWriter of a handler outside that sends the header after next has
// returned.
type keptHeader struct{ *httptest.ResponseRecorder }

// A handler outside that compresses sets Content-Encoding before next writes, and the error page
// keeps it.
func TestErrorPageIsCompressed(t *testing.T) {
	f, store := tracked(t, session.Config{})
	compress := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Add("Vary", "Accept-Encoding")
			z := gzip.NewWriter(w)
			defer z.Close()
			next.ServeHTTP(compressed{w, z}, r)
		})
	}
	id := created(t, f).ID()
	w := served(compress(f.Handler(commitFails(t, store, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", "attachment")
		fmt.Fprint(w, "page")
	}))), get(), id)
	require.Equal(t, 503, w.Code)
	sent := w.Result().Header
	require.Equal(t, "gzip", sent.Get("Content-Encoding"))
	require.Equal(t, []string{"Accept-Encoding", "Cookie"}, sent.Values("Vary"))
	require.Empty(t, sent.Get("Content-Disposition"))
	z, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, "Service Unavailable\n", string(text))
}

type compressed struct {
	http.ResponseWriter
	to io.Writer
}

func (c compressed) Write(b []byte) (int, error) { return c.to.Write(b) }

// A handler outside that buffers the response, as http.TimeoutHandler does, sends the header of the
// error page.
func TestErrorPageThroughTimeoutHandler(t *testing.T) {
	for name, then := range map[string]http.HandlerFunc{
		"before": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Disposition", "attachment")
			fmt.Fprint(w, "x")
		},
		"after": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			w.Header().Set("Content-Disposition", "attachment")
		},
		"cookie": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			http.SetCookie(w, &http.Cookie{Name: "cart", Value: "1"})
			w.Header().Set("Cache-Control", "public")
		},
	} {
		f, store := tracked(t, session.Config{})
		w := served(http.TimeoutHandler(f.Handler(commitFails(t, store, then)), time.Minute, ""), get(), created(t, f).ID())
		require.Equal(t, 503, w.Code, name)
		require.Empty(t, w.Result().Header.Get("Content-Disposition"), name)
		require.Empty(t, w.Result().Header.Values("Set-Cookie"), name)
		require.Equal(t, "no-store", w.Result().Header.Get("Cache-Control"), name)
	}
}

// If the session can't be read, the error page has none of the handler's header fields either.
func TestHeaderWhenNothingCanBeRead(t *testing.T) {
	f, store := tracked(t, session.Config{})
	id := created(t, f).ID()
	store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Disposition", "attachment")
		_, err := session.FromContext(r.Context())
		require.ErrorIs(t, err, session.ErrUnavailable)
	})), get(), id)
	require.Equal(t, 503, w.Code)
	require.Empty(t, w.Result().Header.Get("Content-Disposition"))
	require.Equal(t, "text/plain; charset=utf-8", w.Result().Header.Get("Content-Type"))
}

// The fields of an informational response that was sent before are not on the error page.
func TestErrorPageAfterEarlyHints(t *testing.T) {
	f, store := tracked(t, session.Config{})
	srv := httptest.NewServer(f.Handler(commitFails(t, store, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "page")
	})))
	t.Cleanup(srv.Close)
	resp, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 503, resp.StatusCode)
	require.Empty(t, resp.Header.Get("Link"))
}
