package redis

import (
	"errors"
	"fmt"
	"strings"
)

// The names of a store are prefix + key of a record or mark, prefix + "@" + subject of the index of
// a subject, and prefix + "!" + random text of what Ping writes. Keys contain neither "@" nor "!",
// and a prefix contains none of them, so stores with different prefixes share no name.

const (
	defaultPrefix = "sess:"
	maxPrefix     = 100
)

// checkPrefix returns an error unless prefix keeps the names of a store apart from all others.
func checkPrefix(prefix string) error {
	switch {
	case prefix == "", len(prefix) > maxPrefix, strings.ContainsFunc(prefix, isSpace):
		return fmt.Errorf("must be 1 to %d bytes without spaces and control characters", maxPrefix)
	case strings.ContainsAny(prefix, "@!"):
		return errors.New(`must not contain "@" and "!", which begin names of the store's own`)
	case inKeys(prefix[len(prefix)-1]):
		return errors.New(`must end in a character other than A-Z, a-z, 0-9, "-" and "_": add ":". ` +
			`Otherwise the store with prefix "app" would list and end the sessions of the store with prefix "app2". ` +
			`Sessions that were stored under the old prefix are not found`)
	}
	return nil
}

func isSpace(r rune) bool { return r <= ' ' || r == 0x7f }

// inKeys reports whether the keys of records may contain b.
func inKeys(b byte) bool {
	return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// tagged returns prefix with a hash tag, which puts all names that begin with it into one slot of a
// cluster. If prefix has a hash tag already, tagged returns it unchanged.
func tagged(prefix string) string {
	if _, rest, found := strings.Cut(prefix, "{"); found && strings.Index(rest, "}") > 0 {
		return prefix
	}
	return "{" + prefix + "}"
}

// withIndex returns the names of records, and of the index of a subject if it is not empty.
func withIndex(subject string, keys ...string) []string {
	if subject == "" {
		return keys
	}
	return append(keys, "@"+subject)
}

// pattern returns the pattern that matches the names which begin with text.
func pattern(text string) string {
	return globs.Replace(text) + "*"
}

var globs = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `-`, `\-`)
