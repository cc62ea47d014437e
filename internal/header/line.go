package header

import (
	"net/http"
	"slices"
)

// A Line is the line of a response's header that gives the client a session ID or takes it
// away. Its field is Set-Cookie, which may have other lines, or a field that has no other line.
type Line struct{ Field, Text string }

const setCookie = "Set-Cookie"

// CookieLine returns the line that sets a cookie.
func CookieLine(c *http.Cookie) Line { return Line{setCookie, setCookieLine(*c)} }

// IsZero reports whether there is no line.
func (l Line) IsZero() bool { return l.Field == "" }

// Send adds the line to a header, and "no-store", so that no cache keeps the response (OWASP ASVS
// 5.0, 14.3.2).
func (l Line) Send(h http.Header) {
	if l.Field == setCookie {
		Add(h, l.Field, l.Text)
	} else {
		h[l.Field] = []string{l.Text}
	}
	NoStore(h)
}

// IsIn reports whether a header has the line. A field other than Set-Cookie must have no other
// line.
func (l Line) IsIn(h http.Header) bool {
	return slices.Contains(h[l.Field], l.Text) && (l.Field == setCookie || len(h[l.Field]) == 1)
}

// Remove removes the line from a header. It does not change Cache-Control.
func (l Line) Remove(h http.Header) {
	lines := slices.DeleteFunc(slices.Clone(h[l.Field]), func(text string) bool { return text == l.Text })
	if h[l.Field] = lines; len(lines) == 0 {
		delete(h, l.Field)
	}
}
