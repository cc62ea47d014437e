package header_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/header"
)

func TestValidDomain(t *testing.T) {
	label := strings.Repeat("a", 63)
	for want, domains := range map[string][]string{
		"must have a dot":             {"localhost", ".localhost", "com"},
		"an IP address":               {"127.0.0.1", "::1", "1", "127.1", "0x7f.1", "a.0X1f", "a.0x", "example.1"},
		"without scheme, port":        {"example.com:8080", "https://example.com", "example.com/"},
		"must not end in a dot":       {"example.com.", "localhost.", ".."},
		"letters, digits and hyphens": {"", ".", "a..example.com", " example.com", "a_b.example.com", "-a.example", "a-.example", "müller.example", "a@b.example", "a`b.example", "a{.example", "a" + label + ".example"},
		"at most 253":                 {strings.Repeat("a.", 127) + "example"},
	} {
		for _, domain := range domains {
			require.ErrorContains(t, header.ValidDomain(domain), want, "%q", domain)
		}
	}
	for _, domain := range []string{"example.com", ".example.com", "EXAMPLE.com", "xn--mller-kva.example", "app.localhost", "1.2.example", "a.0xg", label + ".example"} {
		require.NoError(t, header.ValidDomain(domain), "%q", domain)
	}
}
