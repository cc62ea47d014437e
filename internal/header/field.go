// Package header reads and writes the fields of HTTP headers that sessions need: Cookie and
// Set-Cookie, Cache-Control and Vary, and a field of the application's choice that carries the
// session ID. It splits and trims a field as browsers and net/http do, at ASCII characters
// only. Other characters that look like white space, or like another case of a letter, are part
// of a name, so that no cookie of another name is taken for the session's. Functions that write
// to a header leave the slices in it alone, because handlers may share them.
package header

import (
	"net/http"
	"slices"
	"strings"
)

// whitespace may surround the parts of a field (RFC 9110, 5.6.3; RFC 6265bis, 5.6).
const whitespace = " \t"

// NoStore adds "no-store" to Cache-Control, so that no cache keeps the response. The handler's
// own directives stay.
func NoStore(h http.Header) {
	if !listed(h, "Cache-Control", "no-store") {
		Add(h, "Cache-Control", "no-store")
		h["Cache-Control"] = []string{strings.Join(h["Cache-Control"], ", ")}
	}
}

// VaryBy adds a field of the request, on which the response depends, to Vary.
func VaryBy(h http.Header, field string) {
	if !listed(h, "Vary", field) && !listed(h, "Vary", "*") {
		Add(h, "Vary", field)
	}
}

// Add adds a line to a field, whose name must be in canonical form. Unlike h.Add it never writes
// to an array that a handler may share with other responses.
func Add(h http.Header, field, line string) { h[field] = append(slices.Clip(h[field]), line) }

// listed reports whether a comma-separated field, whose name must be in canonical form, has a
// member. It skips lines with quoted parts, which may contain commas.
func listed(h http.Header, field, member string) bool {
	for _, line := range h[field] {
		if strings.Contains(line, `"`) {
			continue
		}
		for item := range strings.SplitSeq(line, ",") {
			if EqualFold(strings.Trim(item, whitespace), member) {
				return true
			}
		}
	}
	return false
}

// EqualFold reports whether two texts are equal, apart from the case of ASCII letters.
// [strings.EqualFold] alone would take U+017F for an "s" and U+212A for a "k"; the comparison of
// the lengths excludes them.
func EqualFold(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}
