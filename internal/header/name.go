package header

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// FieldValues yields the value of a field that has at most one. It yields nothing if the value
// is empty. If there are several lines, or if a cookie could not carry the value, as with a
// list, it yields the empty value, which no session ID has: to choose one would be to guess.
func FieldValues(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch {
		case len(lines) == 1 && lines[0] == "":
		case len(lines) == 1 && IsCookieValue(lines[0]):
			yield(lines[0])
		default:
			yield("")
		}
	}
}

// taken are fields that have another meaning, that proxies or browsers change, or that servers
// write to logs.
var taken = strings.Fields(`
	Age Allow Alt-Svc Authorization Baggage Cache-Control Clear-Site-Data Connection Cookie Cookie2 Date Dnt Early-Data
	Etag Expect Expires Forwarded From Host Http2-Settings Keep-Alive Last-Event-Id Last-Modified Link Location
	Max-Forwards Nel Origin Permissions-Policy Pragma Priority Range Referer Referrer-Policy Refresh Report-To
	Reporting-Endpoints Retry-After Server Server-Timing Set-Cookie Set-Cookie2 Sourcemap Status
	Strict-Transport-Security Te Timing-Allow-Origin Traceparent Tracestate Trailer Trailers Transfer-Encoding Upgrade
	User-Agent Vary Via Warning Www-Authenticate X-Content-Type-Options X-Correlation-Id X-Dns-Prefetch-Control
	X-Frame-Options X-Http-Method-Override X-Real-Ip X-Request-Id X-Requested-With X-Robots-Tag X-Xss-Protection`)

// takenBy are the prefixes of further fields of this kind.
var takenBy = []string{"Accept", "Access-Control-", "Content-", "Cross-Origin-", "If-", "Proxy-", "Sec-", "X-Accel-", "X-Amz-", "X-B3-", "X-Forwarded-"}

// ValidName returns an error if a field can't carry a session ID in requests and responses. The
// name must be in canonical form.
func ValidName(name string) error {
	for _, c := range []byte(name) {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return fmt.Errorf("%q is not a valid name of a header field", name)
		}
	}
	if slices.Contains(taken, name) || slices.ContainsFunc(takenBy, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return fmt.Errorf("%s has another meaning in HTTP; choose another name, such as X-Session", name)
	}
	return nil
}
