package header

import (
	"iter"
	"net/http"
	"strings"
)

// CookieValues yields the values of all cookies with the given name in the lines of a Cookie
// field, without the quotes that some clients put around them. Unlike net/http it includes
// malformed values, so that the response can clear them. A cookie without a name, which a
// browser sends as "=value" or "value", is never included.
func CookieValues(lines []string, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
				var pair string
				pair, line, _ = strings.Cut(line, ";")
				key, value, found := strings.Cut(strings.Trim(pair, whitespace), "=")
				if found && strings.TrimRight(key, whitespace) == name && !yield(unquoted(value)) {
					return
				}
			}
		}
	}
}

// unquoted removes the quotes around a cookie's value. Browsers take them for a part of the
// value; net/http removes them too, and knows no escapes between them either.
func unquoted(value string) string {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}

// setCookieLine returns c.String() in less time. String checks each byte of the value twice,
// which takes longer than encrypting a session that is kept in its cookie.
func setCookieLine(c http.Cookie) string {
	if value := c.Value; IsCookieValue(value) {
		c.Value = ""
		name, attributes, _ := strings.Cut(c.String(), "=")
		return name + "=" + value + attributes
	}
	return c.String()
}

// IsCookieValue reports whether s consists of cookie-octets only (RFC 6265bis, 4.1.1).
func IsCookieValue(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}
