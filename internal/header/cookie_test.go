package header_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

// CookieValues yields every value that net/http reads from a Cookie field, and malformed ones
// besides. A word without "=" is a value without a name (RFC 6265bis, 5.6).
func FuzzCookieValues(f *testing.F) {
	f.Add("session=a; session=b")
	f.Add(` x=1 ;session="a b"; session=;session`)
	f.Add("session")
	f.Add("session =a")
	f.Add("session=,; session= ,a")
	f.Add("\u2000session=a; session\u00a0=b;\v session=c; \tsession\t=\"d\"; =session=e; session==f")
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		if strings.ContainsAny(line, "\r\n") {
			return // no header contains them, and net/http trims them
		}
		var got, want []string
		for value := range header.CookieValues(h["Cookie"], "session") {
			if bare := strings.NewReplacer(" ", "", ",", "").Replace(value); bare != "" && header.IsCookieValue(bare) {
				got = append(got, value)
			}
		}
		for _, c := range (&http.Request{Header: h}).CookiesNamed("session") {
			if strings.Trim(c.Value, " ,") != "" {
				want = append(want, c.Value)
			}
		}
		require.Equal(t, want, got)
	})
}

func TestCookieValues(t *testing.T) {
	lines := []string{"a=1; s=first; b=2", "", `s="quoted";s=;s=a b`, "s", "=s=1", "S=1", `s="`, `s=""`, "s==", "s=last"}
	require.Equal(t, []string{"first", "quoted", "", "a b", `"`, "", "=", "last"}, slices.Collect(header.CookieValues(lines, "s")))
	for value := range header.CookieValues(lines, "s") {
		require.Equal(t, "first", value)
		break
	}
}

// CookieLine writes the same bytes as http.Cookie.String, and IsCookieValue accepts the values
// that net/http writes unchanged.
func FuzzCookieLine(f *testing.F) {
	for _, value := range []string{"", "abc", "a=b", "a b", "a,b", `a"b`, "a;b", "a\\b", "ä", "\x00", "\x7f"} {
		f.Add(value, 0)
		f.Add(value, -1)
	}
	f.Fuzz(func(t *testing.T, value string, age int) {
		c := &http.Cookie{Name: "session", Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
		h := http.Header{}
		header.CookieLine(c).Send(h)
		require.Equal(t, []string{c.String()}, h["Set-Cookie"])
		require.Equal(t, c.Valid() == nil && !strings.ContainsAny(value, " ,\""), header.IsCookieValue(value))
	})
}
