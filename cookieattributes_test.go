package session_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// A cookie that browsers would ignore is refused when the factory is made.
func TestCookieAttributesAreChecked(t *testing.T) {
	long := strings.Repeat("a", 64)
	for want, refused := range map[string][]session.Cookie{
		"must have a dot": {{Domain: "localhost"}, {Domain: "LOCALHOST"}, {Domain: ".localhost"}, {Domain: "com"}, {Domain: "intranet"}},
		"an IP address": {
			{Domain: "127.0.0.1"}, {Domain: ".127.0.0.1"}, {Domain: "::1"}, {Domain: "[::1]"}, {Domain: ".::1"}, {Domain: "[2001:db8::1]"}, {Domain: "fe80::1%eth0"},
			{Domain: "1"}, {Domain: "127.1"}, {Domain: "0x7f.1"}, {Domain: "0x7f000001"}, {Domain: "a.0X1f"}, {Domain: "a.0x"}, {Domain: "example.1"},
		},
		"without scheme, port": {
			{Domain: "example.com:8080"}, {Domain: "https://example.com"}, {Domain: "example.com/"}, {Domain: "//example.com"}, {Domain: "[::1]:80"},
		},
		"must not end in a dot": {{Domain: "example.com."}, {Domain: ".example.com."}, {Domain: "localhost."}, {Domain: ".."}},
		"letters, digits and hyphens": {
			{Domain: "."}, {Domain: "..example.com"}, {Domain: "a..example.com"}, {Domain: " "}, {Domain: " example.com"}, {Domain: "example.com "},
			{Domain: "exa mple.com"}, {Domain: "example.com\t"}, {Domain: "example.com\r\nX"}, {Domain: "example.com; Secure"}, {Domain: "example,com.a"}, {Domain: "*.example.com"},
			{Domain: "-a.example.com"}, {Domain: "a-.example.com"}, {Domain: "a_b.example.com"}, {Domain: "müller.example"}, {Domain: "example\u3002com.x"}, {Domain: "\xff.example"},
			{Domain: long + ".example"}, {Domain: "a\x00.example"}, {Domain: "user@example.com"},
		},
		"at most 253":             {{Domain: strings.Repeat("a.", 127) + "example"}},
		"must begin with \"/\"":   {{Path: "a"}, {Path: " /a"}, {Path: "\u2000/"}, {Path: "http://example.com/"}},
		"must not end in a space": {{Path: "/ "}, {Path: "/" + strings.Repeat("a", 1024)}},
		"browsers would ignore it": {
			{Path: "/a;b"}, {Path: "/a\x00"}, {Path: "/a\r\nSet-Cookie: b=1"}, {Path: "/ä"}, {Path: "/\x7f"}, {Path: "/\t"},
			{Name: "a b"}, {Name: " a"}, {Name: "a "}, {Name: "a\t"}, {Name: "\u2000a"}, {Name: "a\u00a0"}, {Name: "a=b"}, {Name: "=a"}, {Name: "a;b"}, {Name: "a,b"},
			{Name: `"a"`}, {Name: "ä"}, {Name: "a\x00"}, {Name: "a\r\nb"}, {Name: "a(b)"}, {Name: "a\ufeff"}, {Name: "\xff"}, {Name: "__Ho\u017ft-a"},
		},
		"room for the value":     {{Name: strings.Repeat("a", 1025)}, {Name: strings.Repeat("a", 4095)}},
		"a constant of net/http": {{SameSite: -1}, {SameSite: 5}, {SameSite: 1 << 32}},
		`begins with "$"`:        {{Name: "$Version"}, {Name: "$session"}},
		"__Host-\" forbids":      {{Name: "__HOST-a", Domain: "example.com"}, {Name: "__host-http-a", Domain: "example.com"}},
		"__Host-\" needs Path":   {{Name: "__hOST-a", Path: "/a"}},
	} {
		for _, c := range refused {
			if c.Name == "" {
				c.Name = "a"
			}
			for _, insecure := range []bool{false, strings.HasPrefix(c.Name, "a")} {
				_, err := session.Config{Cookie: c, Insecure: insecure}.New(newProbe())
				require.ErrorContains(t, err, want, "%+q", c)
			}
		}
	}
	for _, name := range []string{"__Host-a", "__host-a", "__Secure-a", "__SECURE-a", "__Http-a", "__http-a", "__Host-Http-a"} {
		_, err := session.Config{Cookie: session.Cookie{Name: name}, Insecure: true}.New(newProbe())
		require.ErrorContains(t, err, "needs Secure", name)
	}
	for _, c := range []session.Cookie{
		{Domain: "example.com"}, {Domain: ".example.com"}, {Domain: "EXAMPLE.com"}, {Domain: "a.b.example.co.uk"}, {Domain: "xn--mller-kva.example"},
		{Domain: "app.localhost"}, {Domain: "1a.example"}, {Domain: "1.2.example"}, {Domain: "a.0xg"}, {Domain: long[1:] + ".example"},
		{SameSite: http.SameSiteDefaultMode}, {SameSite: http.SameSiteStrictMode}, {SameSite: http.SameSiteNoneMode}, {Name: strings.Repeat("a", 1024)},
		{Path: "/a b"}, {Path: "/a%20b"}, {Path: "/a,b=c"}, {Name: "__Hostess"}, {Name: "a$"}, {Name: "a.b-c_d!#%&'*+^`|~"},
	} {
		if c.Name == "" {
			c.Name = "a"
		}
		_, err := session.Config{Cookie: c}.New(newProbe())
		require.NoError(t, err, "%+q", c)
	}
}
