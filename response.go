package session

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"gosession.dev/session/internal/header"
)

// response is the http.ResponseWriter that handlers get. Every method that makes the header leave
// calls begin first, which commits the session.
type response struct{ *responseVeil }

// responseVeil hides what a response holds from package fmt, as veil does for a session.
type responseVeil struct{ *responseContents }

type responseContents struct {
	x      *exchange
	inner  http.ResponseWriter
	begun  bool        // the session was committed, or the commit has failed
	wrote  bool        // the header has left
	failed error       // of the commit: OnError has answered, and next can't write
	news   header.Line // in the header, which sets or clears the ID; zero if there is none
	newsOf *Session    // whose ID news sets; nil if it sets none

	panicked bool // the commit has panicked: nothing more is stored

	before header.Snapshot // the header when the request came in
	inside []header.Line   // set by handlers inside; an error page keeps them
	page   header.Snapshot // the header when OnError had answered
}

// begin commits the session, if that was not done yet. After an error, the caller must write
// nothing.
func (w *response) begin() error {
	if !w.begun {
		w.begun = true
		if err := w.commit(); err != nil {
			w.fail(err)
		}
	}
	return w.failed
}

// commit stores the session. If a driver or code of the application panics, a handler that
// recovers, inside or outside, writes the page.
func (w *response) commit() error {
	w.failed, w.panicked = errInCompute, true // for code that writes during the commit
	defer func() {
		if w.failed = nil; w.panicked {
			w.x.closeUncommitted()
		}
	}()
	err := w.x.commit()
	w.panicked = false
	return err
}

// fail answers with OnError, which may panic.
func (w *response) fail(err error) {
	w.begun, w.wrote, w.failed = true, true, err
	w.startPage()
	w.x.closeUncommitted()
	p := &page{ResponseWriter: w.inner, out: w}
	defer func() {
		p.begin()
		w.page = header.SnapshotOf(w.inner.Header())
	}()
	w.x.report(p, err)
	if !p.wrote {
		p.WriteHeader(statusOf(err))
	}
}

// startPage resets the header for an error page: the fields that handlers outside have set are as
// they were before next, and the fields that next has set are removed. The cookies of factories
// inside stay, because their sessions are stored.
func (w *response) startPage() {
	h := w.inner.Header()
	w.inside = w.x.linesInside(h)
	w.x.f.newPage(h, w.before, w.inside)
}

// newPage makes h the header of an error page: that of before, with these lines.
func (f *Factory) newPage(h http.Header, before header.Snapshot, lines []header.Line) {
	before.Restore(h)
	for _, line := range lines {
		if !line.IsIn(h) {
			line.Send(h)
		}
	}
	h.Del("Content-Length") // of another page
	f.vary(h)
	h["Cache-Control"] = []string{"no-store"}
}

// end restores the header of an error page, or the lines with IDs, if next has changed them since,
// because a handler outside may keep the response, with its header, until this one returns.
func (w *response) end() {
	switch {
	case w.failed != nil:
		w.page.Restore(w.inner.Header())
	case !w.news.IsZero():
		w.keepLines()
	}
}

func (w *response) Header() http.Header { return w.inner.Header() }

// WriteHeader forwards informational responses without a commit. It ignores a second call,
// because some frameworks call it after Flush.
func (w *response) WriteHeader(status int) {
	if 100 <= status && status < 200 && status != http.StatusSwitchingProtocols {
		if !w.wrote {
			w.inner.WriteHeader(status)
		}
		return
	}
	if w.begin() == nil && !w.wrote {
		w.inner.WriteHeader(status) // panics if the status is invalid
		w.wrote = true
	}
}

func (w *response) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	n, err := w.inner.Write(b)
	w.wrote = true
	return n, err
}

// ReadFrom lets the connection send files with sendfile.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	return copyTo(w, w.inner, src)
}

// copyTo copies src: the beginning through w, and the rest directly to inner, to which w writes.
// If src is empty or can't be read, nothing is written.
func copyTo(w, inner io.Writer, src io.Reader) (int64, error) {
	const beginning = 512 // as many bytes as net/http reads first
	n, err := io.CopyN(struct{ io.Writer }{w}, src, beginning)
	switch {
	case err == io.EOF:
		return n, nil
	case err != nil:
		return n, err
	}
	rest, err := io.Copy(inner, src)
	return n + rest, err
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

// sent notes the result of Flush or Hijack, after which it is too late to change the header. If the
// ResponseWriter does not support the method, the header can still be changed.
func (w *response) sent(err error) {
	switch {
	case err == nil:
		w.wrote = true
	case !w.wrote && errors.Is(err, http.ErrNotSupported):
		w.begun = false
		w.x.reopen()
	}
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// Hijack commits the session before it hands over the connection. If there is a cookie to set, it
// is in Header, for the code that then writes the response.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(w.inner).Hijack()
	w.sent(err)
	return conn, rw, err
}

// send puts the line that sets or clears the ID into the header.
func (w *response) send(news header.Line) {
	w.news = news
	news.Remove(w.inner.Header()) // Factory.Forget may have sent it
	news.Send(w.inner.Header())
	w.x.tellOutside(news)
}

// keepLines puts the lines with IDs back if a handler has removed them. If the session of the ID
// has been destroyed since, it replaces the line by one that clears the ID.
func (w *response) keepLines() {
	h := w.inner.Header()
	if w.newsOf != nil && w.newsOf.isDestroyed() {
		w.takeBack()
		w.send(w.x.f.forgetting(w.x.inHeader))
	}
	for _, line := range append(w.inside, w.news) {
		if !line.IsZero() && !line.IsIn(h) {
			line.Send(h)
		}
	}
}

// takeBack undoes send.
func (w *response) takeBack() {
	if !w.news.IsZero() {
		w.news.Remove(w.inner.Header())
		w.news, w.newsOf = header.Line{}, nil
	}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.inner }

// Format writes what the Format of exchange writes.
func (w *response) Format(f fmt.State, verb rune) { w.x.Format(f, verb) }

// page is the ResponseWriter for OnError. It notes whether OnError has answered, and keeps the
// cookies in the header.
type page struct {
	http.ResponseWriter
	out   *response
	wrote bool
}

func (p *page) begin() {
	if !p.wrote {
		p.wrote = true
		p.out.keepLines()
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

// silent is the ResponseWriter for OnError when it is too late to answer: it drops everything.
type silent struct{}

func (silent) Header() http.Header         { return http.Header{} }
func (silent) WriteHeader(int)             {}
func (silent) Write(b []byte) (int, error) { return len(b), nil }
