package session

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cookie carries an ID only if browsers send it back unchanged.
func TestCookieCarries(t *testing.T) {
	f := &Factory{cfg: Config{Cookie: Cookie{Name: "name"}}}
	for text, want := range map[string]bool{
		"": false, "a": true, "a=b": true, "a b": false, "a,b": false, `a"b`: false, "a;b": false, "a\\b": false, "ä": false, "\x00": false, "\x7f": false,
		strings.Repeat("x", maxCookie-len("name")): true, strings.Repeat("x", maxCookie-len("name")+1): false,
	} {
		require.Equal(t, want, f.cookieCarries(NewID(text)), "%q", text)
	}
}
