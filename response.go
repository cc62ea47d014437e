package session

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
)

// response is the http.ResponseWriter that handlers get. Each way by which the
// header can leave goes through begin, which commits the session before.
type response struct {
	x      *exchange
	inner  http.ResponseWriter
	begun  bool   // the session is committed, or failed to be
	wrote  bool   // the header has left
	failed error  // of the commit; the answer was OnError's, and next writes no more
	cookie string // the line that the header has for it; "" if none
}

// begin commits the session once. After an error there is nothing to be written.
func (w *response) begin() error {
	if !w.begun {
		w.begun = true
		if err := w.x.commit(); err != nil {
			w.fail(err)
		}
	}
	return w.failed
}

// fail answers by OnError.
func (w *response) fail(err error) {
	w.begun, w.wrote, w.failed = true, true, err
	h := w.inner.Header()
	for _, field := range []string{"Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Etag", "Last-Modified", "Location"} {
		h.Del(field) // they were about another body
	}
	varyByCookie(h)
	h.Set("Cache-Control", "no-store")
	w.x.closeUncommitted()
	p := &page{ResponseWriter: w.inner, out: w}
	w.x.report(p, err)
	if !p.wrote {
		p.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (w *response) Header() http.Header { return w.inner.Header() }

// WriteHeader passes informational responses on without a commit. It ignores a
// second call: some frameworks call it after Flush.
func (w *response) WriteHeader(status int) {
	if 100 <= status && status < 200 && status != http.StatusSwitchingProtocols {
		if !w.wrote {
			w.inner.WriteHeader(status)
		}
		return
	}
	if w.begin() == nil && !w.wrote {
		w.wrote = true
		w.inner.WriteHeader(status)
	}
}

func (w *response) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.wrote = true
	return w.inner.Write(b)
}

// ReadFrom lets the connection copy files by itself.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	w.wrote = true
	return io.Copy(w.inner, src)
}

// FlushError is for http.ResponseController.
func (w *response) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	err := http.NewResponseController(w.inner).Flush()
	w.sent(err)
	return err
}

// sent notes whether a Flush or Hijack has sent the header. If the ResponseWriter does
// not support it, nothing was sent, and the header is open again.
func (w *response) sent(err error) {
	switch {
	case err == nil:
		w.wrote = true
	case !w.wrote && errors.Is(err, http.ErrNotSupported):
		w.begun = false
		w.x.reopen()
	}
}

// Flush is for handlers that want an http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// Hijack commits before it gives the connection away. The cookie, if there is
// one, is in the Header, for the code that then writes the response.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(w.inner).Hijack()
	w.sent(err)
	return conn, rw, err
}

// putCookie puts the session's cookie into the header.
func (w *response) putCookie(c *http.Cookie) { w.cookie = sendCookie(w.inner.Header(), c) }

// keepCookie puts it back if a handler has dropped it.
func (w *response) keepCookie() {
	if h := w.inner.Header(); w.cookie != "" && !slices.Contains(h["Set-Cookie"], w.cookie) {
		h.Add("Set-Cookie", w.cookie)
		noStore(h)
	}
}

func (w *response) takeCookieBack() {
	if w.cookie != "" {
		removeCookie(w.inner.Header(), w.cookie)
		w.cookie = ""
	}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.inner }

// Format is that of exchange.
func (w *response) Format(f fmt.State, verb rune) { w.x.Format(f, verb) }

// page notes whether OnError has answered, and keeps the cookie in the header.
type page struct {
	http.ResponseWriter
	out   *response
	wrote bool
}

func (p *page) begin() {
	if !p.wrote {
		p.wrote = true
		p.out.keepCookie()
	}
}

func (p *page) WriteHeader(status int) {
	p.begin()
	p.ResponseWriter.WriteHeader(status)
}

func (p *page) Write(b []byte) (int, error) {
	p.begin()
	return p.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController.
func (p *page) FlushError() error {
	p.begin()
	return http.NewResponseController(p.ResponseWriter).Flush()
}

func (p *page) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// silent is what OnError gets to write to when it is too late for an answer.
type silent struct{}

func (silent) Header() http.Header         { return http.Header{} }
func (silent) WriteHeader(int)             {}
func (silent) Write(b []byte) (int, error) { return len(b), nil }
