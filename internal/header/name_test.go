package header_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

func TestFieldValues(t *testing.T) {
	for _, tt := range []struct{ lines, want []string }{
		{[]string{""}, nil},
		{[]string{"abc"}, []string{"abc"}},
		{[]string{"abc", "abc"}, []string{""}},
		{[]string{"", "abc"}, []string{""}},
		{[]string{"abc,def"}, []string{""}},
		{[]string{"abc, def"}, []string{""}},
		{[]string{"abc;x=1"}, []string{""}},
		{[]string{`"abc"`}, []string{""}},
		{[]string{"a b"}, []string{""}},
		{[]string{"\u00e4"}, []string{""}},
		{[]string{","}, []string{""}},
	} {
		require.Equal(t, tt.want, slices.Collect(header.FieldValues(tt.lines)), "%q", tt.lines)
	}
}

// FieldValues yields at most one value: the only line of the field, if a cookie could carry it by
// the rules of net/http, or the empty value.
func FuzzFieldValues(f *testing.F) {
	for _, line := range []string{"", "abc", "a=b", "abc,def", "abc, def", "abc;x=1", `"abc"`, "a b", " abc", "a\\b", "\u00e4", "\x00", "\x7f", "\xff"} {
		f.Add(line, "", false)
		f.Add(line, line, true)
		f.Add("", line, true)
	}
	f.Fuzz(func(t *testing.T, line, second string, hasSecond bool) {
		lines, want := []string{line}, []string{line}
		cookie := http.Cookie{Name: "session", Value: line}
		switch isValue := cookie.Valid() == nil && !strings.ContainsAny(line, ` ,"`); {
		case hasSecond:
			lines, want = append(lines, second), []string{""}
		case line == "":
			want = nil
		case !isValue:
			want = []string{""}
		}
		require.Equal(t, want, slices.Collect(header.FieldValues(lines)), "FieldValues(%q)", lines)
	})
}

func TestValidName(t *testing.T) {
	for _, name := range []string{"X-Session", "Session", "X_session", "Token", "Acme.session"} {
		require.NoError(t, header.ValidName(name), name)
	}
	for _, name := range []string{"X Session", "X-Session:", "X-Sess\n", "S\u00e9ance", ":path", "a,b", "a(b"} {
		require.ErrorContains(t, header.ValidName(name), "not a valid name of a header field")
	}
	for _, name := range []string{
		"Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Host", "Vary", "Content-Type", "Content-Length", "Accept", "Accept-Language", "Access-Control-Allow-Origin", "Cache-Control", "Sec-Fetch-Site",
		"Origin", "Referer", "X-Forwarded-For", "If-None-Match", "Etag", "Location", "Traceparent", "X-Request-Id", "X-Accel-Redirect", "X-Frame-Options",
	} {
		require.ErrorContains(t, header.ValidName(name), "has another meaning")
	}
}
