package session

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"gosession.dev/session/internal/header"
)

// The header of a response leaves once. Until then the session can get a new ID. Its cookie
// leaves with the header, whether the response is that of the handler or an error page.

// commit stores the session and completes the header. It is called before the header leaves.
func (x *exchange) commit() error {
	for {
		s, err := x.loaded()
		if err != nil {
			x.report(silent{}, err) // next answers although FromContext has failed
		}
		if s == nil {
			if x.closeWithout() {
				return nil
			}
			continue // another goroutine has just asked for the session
		}
		if !s.closeHeader(false) {
			if err := x.flush(s, func() { s.closeHeader(true) }); err != nil {
				if !x.isGivenUp() {
					return err
				}
				s.closeHeader(true) // another write may still be under way
			}
		}
		if forget, done := x.closeWith(s); done {
			x.completeHeader(s, forget)
			return nil
		}
	}
}

// closeWithout completes the header of a response without a session. It returns false if another
// goroutine has asked for the session in the meantime.
func (x *exchange) closeWithout() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.asked && x.err == nil {
		return false
	}
	x.headerSent = true
	if x.asked {
		x.f.vary(x.out.inner.Header())
	}
	if x.forget {
		x.out.send(x.f.forgetting(x.inHeader))
	}
	return true
}

// closeWith notes that the header leaves with s as the session. It returns done = false if another
// goroutine has just destroyed s. If s is new, forget reports whether to clear the cookie.
func (x *exchange) closeWith(s *Session) (forget, done bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.session != s || s.isDestroyed() {
		return false, false
	}
	x.headerSent = true
	return x.forget, true
}

// close notes that the header leaves without a commit, and returns the session, or nil.
func (x *exchange) close() *Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headerSent = true
	if x.session != nil {
		x.session.closeHeader(true)
	}
	return x.session
}

// reopen undoes what commit has done to the header, which has not left after all.
func (x *exchange) reopen() {
	x.out.takeBack()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headerSent = false
	if x.session != nil {
		x.session.openHeader()
	}
}

// completeHeader sets the cookie of s if the client does not have it, or clears the cookie.
func (x *exchange) completeHeader(s *Session, forget bool) {
	x.f.vary(x.out.inner.Header())
	if state, news := s.news(); news {
		x.out.send(x.f.news(state, x.inHeader))
		x.out.newsOf = s
		x.hintAtLoopback()
	} else if (forget || s.forgetsCookie()) && s.IsNew() && !s.Overtaken() {
		x.out.send(x.f.forgetting(x.inHeader))
	}
}

// closeUncommitted completes the header of a response that is not the one of next. The cookie is
// that of the ID that was stored last.
func (x *exchange) closeUncommitted() {
	if s := x.close(); s != nil {
		x.completeHeader(s, false)
	}
}

// panicked completes the header for a handler outside that recovers from the panic of next.
func (x *exchange) panicked() {
	if !x.out.begun {
		x.closeUncommitted()
	}
}

// If a request has the field Config.Header, its ID travels in that field, in both directions;
// otherwise in a cookie. Scripts can read the field, so the ID of a cookie is never sent there.

// idLines returns the lines of a request's header that may have IDs: the lines of
// Config.Header if the request has that field, even an empty one, or else the lines of Cookie.
func (f *Factory) idLines(r *http.Request) (lines []string, inHeader bool) {
	if f.cfg.Header != "" {
		if lines = r.Header[f.cfg.Header]; len(lines) > 0 {
			return lines, true
		}
	}
	return r.Header["Cookie"], false
}

// appendIDs appends the texts of the IDs in lines to ids.
func (f *Factory) appendIDs(ids, lines []string, inHeader bool) []string {
	if inHeader {
		return slices.AppendSeq(ids, header.FieldValues(lines))
	}
	for value := range header.CookieValues(lines, f.cfg.Cookie.Name) {
		ids = append(ids, value)
	}
	return ids
}

// news returns the line of the header that tells the client the ID.
func (f *Factory) news(state clientState, inHeader bool) header.Line {
	if inHeader {
		return header.Line{Field: f.cfg.Header, Text: state.id.Reveal()}
	}
	return header.CookieLine(f.cookie(state))
}

// forgetting returns the line of the header that clears the ID from the client.
func (f *Factory) forgetting(inHeader bool) header.Line {
	if inHeader {
		return header.Line{Field: f.cfg.Header}
	}
	return header.CookieLine(f.expiredCookie())
}

// vary tells caches on which fields of the request the response depends.
func (f *Factory) vary(h http.Header) {
	header.VaryBy(h, "Cookie")
	if f.cfg.Header != "" {
		header.VaryBy(h, f.cfg.Header)
	}
}

// hintAtLoopback logs, once, why a developer's Safari does not keep its session.
func (x *exchange) hintAtLoopback() {
	if x.inHeader || x.f.cfg.Insecure || x.r.TLS != nil || !isLoopback(x.r.Host) || !isSafari(x.r.UserAgent()) {
		return
	}
	x.f.hint.Do(func() {
		x.f.cfg.Logger.Info("session: the cookie is Secure, which Safari does not send to a loopback host over plain HTTP; if you develop with it, set Config.Insecure")
	})
}

// isSafari reports whether the browser is Safari, or one of iOS, which behave like Safari.
// Chromium names Safari in its user agent, too.
func isSafari(userAgent string) bool {
	return strings.Contains(userAgent, "AppleWebKit/") && !strings.Contains(userAgent, "Chrome/") && !strings.Contains(userAgent, "Chromium/")
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
