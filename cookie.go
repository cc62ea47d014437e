package session

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cookie is the part of [Config] for the cookie that carries the ID. It is always
// HttpOnly, and Secure unless [Config].Insecure says otherwise. The zero value is
// "__Host-session" for the whole host, SameSite=Lax.
type Cookie struct {
	// Name defaults to "__Host-session", whose prefix makes browsers refuse it
	// from other hosts and over plain HTTP (RFC 6265bis, 4.1.3), and to
	// "session" if Config.Insecure is set.
	Name string

	// Domain, if set, shares the cookie with all hosts below it. The name then
	// can't begin with "__Host-"; "__Secure-" is the next best.
	Domain string

	// Path defaults to "/". It is not a security boundary.
	Path string

	// SameSite defaults to Lax, which keeps the cookie out of other sites' forms.
	SameSite http.SameSite

	// Partitioned keeps a cookie that other sites embed apart for each of them
	// (CHIPS).
	Partitioned bool
}

// maxCookie is how many bytes of name and value browsers keep (RFC 6265bis, 5.7).
const maxCookie = 4096

// maxCookieAge is what browsers cut Max-Age to (RFC 6265bis, 5.6.2).
const maxCookieAge = 400 * 24 * time.Hour

func (c Cookie) complete(insecure bool) Cookie {
	name := "__Host-session"
	if insecure {
		name = "session"
	}
	c.Name = cmp.Or(c.Name, name)
	c.Path = cmp.Or(c.Path, "/")
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode // left out, browsers are laxer than Lax
	}
	return c
}

func (c Cookie) validate(insecure bool) error {
	prefixed := func(prefix string) bool { // browsers ignore case here
		return len(c.Name) >= len(prefix) && strings.EqualFold(c.Name[:len(prefix)], prefix)
	}
	switch {
	case prefixed("__Host-") && c.Domain != "":
		return errors.New(`a name with the prefix "__Host-" forbids a Domain; drop Domain, or name it "__Secure-session"`)
	case prefixed("__Host-") && c.Path != "/":
		return errors.New(`a name with the prefix "__Host-" needs Path "/"; drop Path, or name it "__Secure-session"`)
	case insecure && (prefixed("__Host-") || prefixed("__Secure-") || prefixed("__Http-")):
		return errors.New(`a name with the prefix "__Host-", "__Secure-" or "__Http-" needs Secure; drop Config.Insecure, or the prefix`)
	case insecure && c.SameSite == http.SameSiteNoneMode:
		return errors.New("a SameSite=None cookie needs Secure; drop Config.Insecure, or SameSite")
	case insecure && c.Partitioned:
		return errors.New("a Partitioned cookie needs Secure; drop Config.Insecure, or Partitioned")
	case !strings.HasPrefix(c.Path, "/"):
		return errors.New(`the Path must begin with "/"`)
	}
	if err := c.cookie("", !insecure).Valid(); err != nil {
		return fmt.Errorf("browsers would not take it: %w", err)
	}
	return nil
}

func (c Cookie) cookie(value string, secure bool) *http.Cookie {
	return &http.Cookie{
		Name:        c.Name,
		Value:       value,
		Domain:      c.Domain,
		Path:        c.Path,
		Secure:      secure,
		HttpOnly:    true,
		SameSite:    c.SameSite,
		Partitioned: c.Partitioned,
	}
}

// Cookie returns the cookie that tells the client about s: its ID, or, after
// Destroy, to forget it. It is nil while s is not stored, and if s turned out to
// be gone: the client may have another cookie by now.
func (f *Factory) Cookie(s *Session) *http.Cookie {
	state, phase := s.clientState()
	switch phase {
	case live:
		return f.cookie(state)
	case destroyed:
		return f.expiredCookie()
	}
	return nil
}

func (f *Factory) cookie(state clientState) *http.Cookie {
	c := f.cfg.Cookie.cookie(string(state.id), !f.cfg.Insecure)
	if state.deadline != 0 {
		age := min(time.UnixMilli(state.deadline).Sub(f.cfg.Now()), maxCookieAge)
		c.MaxAge = max(int(age/time.Second), 1)
	}
	return c
}

// SetCookie adds the cookie of s, if there is one to send, to the header of a
// response, and "no-store" to its Cache-Control. [Factory.Handler] does it by
// itself.
func (f *Factory) SetCookie(w http.ResponseWriter, s *Session) {
	if c := f.Cookie(s); c != nil {
		sendCookie(w.Header(), c)
	}
}

func (f *Factory) expiredCookie() *http.Cookie {
	c := f.cfg.Cookie.cookie("", !f.cfg.Insecure)
	c.MaxAge = -1
	return c
}

// cookieCarries reports whether a browser keeps id and sends it back as it is.
func (f *Factory) cookieCarries(id ID) bool {
	return id != "" && len(f.cfg.Cookie.Name)+len(id) <= maxCookie && isCookieValue(string(id))
}

// isCookieValue reports whether all of s are cookie-octets (RFC 6265bis, 4.1.1).
func isCookieValue(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}

// hintAtLoopback says once why a developer's browser may not keep its session.
func (x *exchange) hintAtLoopback() {
	if x.f.cfg.Insecure || x.r.TLS != nil || !isLoopback(x.r.Host) {
		return
	}
	x.f.hint.Do(func() {
		x.f.cfg.Logger.Info("session: the cookie is Secure, which Safari does not send to a loopback host over plain HTTP; if you develop with it, set Config.Insecure")
	})
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cookieValues returns the values of all cookies of a name. Unlike net/http it includes
// malformed ones, so that the response can clear them.
func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for line != "" {
				var pair string
				pair, line, _ = strings.Cut(line, ";")
				key, value, found := strings.Cut(strings.TrimSpace(pair), "=")
				if found && strings.TrimSpace(key) == name && !yield(value) {
					return
				}
			}
		}
	}
}

// sendCookie adds the cookie to the header, and keeps caches from keeping it
// (OWASP ASVS 5.0, 14.3.2). It returns the line.
func sendCookie(h http.Header, c *http.Cookie) string {
	line := setCookie(*c)
	h.Add("Set-Cookie", line)
	noStore(h)
	return line
}

// removeCookie takes a line back that sendCookie has added.
func removeCookie(h http.Header, line string) {
	lines := slices.DeleteFunc(slices.Clone(h["Set-Cookie"]), func(l string) bool { return l == line })
	if h["Set-Cookie"] = lines; len(lines) == 0 {
		h.Del("Set-Cookie")
	}
}

// noStore adds "no-store" to Cache-Control. What the handler has said about caching
// stays, as far as no-store leaves something of it.
func noStore(h http.Header) {
	if !listed(h, "Cache-Control", "no-store") {
		h.Set("Cache-Control", strings.Join(append(h.Values("Cache-Control"), "no-store"), ", "))
	}
}

// setCookie returns what c.String returns, in less time: String looks at each byte of
// the value twice, which for a session that is kept in its cookie takes longer than
// encrypting it.
func setCookie(c http.Cookie) string {
	if value := c.Value; isCookieValue(value) {
		c.Value = ""
		name, attributes, _ := strings.Cut(c.String(), "=")
		return name + "=" + value + attributes
	}
	return c.String()
}

// varyByCookie tells caches that the response depends on the session.
func varyByCookie(h http.Header) {
	if !listed(h, "Vary", "Cookie") && !listed(h, "Vary", "*") {
		h.Add("Vary", "Cookie")
	}
}

// listed reports whether a comma-separated header field, whose name is in canonical
// form, has a member.
func listed(h http.Header, field, member string) bool {
	for _, line := range h[field] {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), member) {
				return true
			}
		}
	}
	return false
}
