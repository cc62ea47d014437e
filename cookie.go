package session

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gosession.dev/session/internal/header"
)

// Cookie configures the cookie that carries the ID. The cookie is always HttpOnly, and Secure
// unless [Config].Insecure is set. The zero Cookie has the name "__Host-session", is valid for
// the whole host, and is SameSite=Lax.
type Cookie struct {
	// Name defaults to "__Host-session", or to "session" if Config.Insecure is set. Because
	// of the prefix, browsers do not accept the cookie from other hosts or over plain HTTP
	// (RFC 6265bis, 4.1.3). Two factories of one site need two names, whatever their Domain
	// and Path are, because browsers send both cookies.
	Name string

	// Domain, such as "example.com", shares the cookie with all hosts below it. The name then
	// can't begin with "__Host-"; use "__Secure-". Browsers ignore the cookie if anybody can
	// register names under Domain, as under "co.uk" (publicsuffix.org); that is not checked.
	Domain string

	// Path defaults to "/". It is not a security boundary.
	Path string

	// SameSite defaults to Lax, with which browsers send the cookie with links from other
	// sites, but not with their POST forms.
	SameSite http.SameSite

	// Partitioned gives the site a separate cookie in each site that embeds it (CHIPS).
	Partitioned bool
}

// maxCookie is how many bytes of name and value browsers keep (RFC 6265bis, 5.7).
const maxCookie = 4096

// maxCookieAge is the maximum that browsers apply to Max-Age (RFC 6265bis, 5.6.2).
const maxCookieAge = 400 * 24 * time.Hour

func (c Cookie) complete(insecure bool) Cookie {
	name := "__Host-session"
	if insecure {
		name = "session"
	}
	c.Name = cmp.Or(c.Name, name)
	c.Path = cmp.Or(c.Path, "/")
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode // without the attribute, browsers are laxer than with Lax
	}
	return c
}

// maxAttribute is the maximum length of an attribute of a cookie (RFC 6265bis, 5.6).
const maxAttribute = 1024

// validate returns an error for a cookie that browsers would ignore, so that Config.New fails
// and not the first sign-in.
func (c Cookie) validate(insecure bool) error {
	prefixed := func(prefix string) bool { // browsers ignore case here
		return len(c.Name) >= len(prefix) && header.EqualFold(c.Name[:len(prefix)], prefix)
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
	case strings.HasPrefix(c.Name, "$"):
		return errors.New(`the Name begins with "$", as attributes do in RFC 2965, so that some clients misread it; choose another name`)
	case len(c.Name) > maxAttribute:
		return fmt.Errorf("the Name must have at most %d bytes, to leave room for the value", maxAttribute)
	case c.SameSite < http.SameSiteLaxMode || c.SameSite > http.SameSiteNoneMode: // net/http would leave it out
		return fmt.Errorf("the SameSite is %d; it must be a constant of net/http", c.SameSite)
	case !strings.HasPrefix(c.Path, "/"):
		return errors.New(`the Path must begin with "/"`)
	case len(c.Path) > maxAttribute || strings.HasSuffix(c.Path, " "):
		return fmt.Errorf("the Path must have at most %d bytes, and must not end in a space", maxAttribute)
	}
	if err := header.ValidDomain(c.Domain); c.Domain != "" && err != nil {
		return fmt.Errorf("the Domain %w", err)
	}
	if err := c.cookie("", !insecure).Valid(); err != nil {
		return fmt.Errorf("browsers would ignore it: %w", err)
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

// Cookie returns the cookie with the ID of s, or, after Destroy, a cookie that clears it. It
// returns nil if s is not stored, if the store no longer has s, because the client may have
// another cookie by now, and if the client uses [Config].Header.
//
// [Factory.Handler] sends the cookie by itself. Cookie and [Session.SetCookie] are for
// sessions that are used outside of it.
func (s *Session) Cookie() *http.Cookie {
	state, phase := s.clientState()
	if s.isInHeader() {
		return nil
	}
	switch phase {
	case live:
		return s.f.cookie(state)
	case destroyed:
		return s.f.expiredCookie()
	}
	return nil
}

func (f *Factory) cookie(state clientState) *http.Cookie {
	c := f.cfg.Cookie.cookie(state.id.Reveal(), !f.cfg.Insecure)
	if state.deadline != 0 {
		now := f.cfg.Now()
		age := min(time.UnixMilli(state.deadline).Sub(now), maxCookieAge)
		c.MaxAge = max(int(age/time.Second), 1)
		c.Expires = expiresAfter(now, c.MaxAge)
	}
	return c
}

// SetCookie adds [Session.Cookie], unless it is nil, to the header of a response, and
// "no-store" to its Cache-Control. Call it after [Session.Flush] and before the header is
// written.
func (s *Session) SetCookie(w http.ResponseWriter) {
	if c := s.Cookie(); c != nil {
		header.CookieLine(c).Send(w.Header())
	}
}

// expiresAfter returns the Expires that matches a Max-Age, for clients that know only Expires.
// It is zero if they can't read such a date (RFC 6265bis, 5.6.1).
func expiresAfter(now time.Time, seconds int) time.Time {
	expires := now.UTC().Add(time.Duration(seconds) * time.Second)
	if year := expires.Year(); year < 1601 || year > 9999 {
		return time.Time{}
	}
	return expires
}

func (f *Factory) expiredCookie() *http.Cookie {
	c := f.cfg.Cookie.cookie("", !f.cfg.Insecure)
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	return c
}

// cookieCarries reports whether a browser keeps id in a cookie and sends it back unchanged.
func (f *Factory) cookieCarries(id ID) bool {
	text := id.Reveal()
	return text != "" && len(f.cfg.Cookie.Name)+len(text) <= maxCookie && header.IsCookieValue(text)
}
