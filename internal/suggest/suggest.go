// Package suggest guesses which driver was meant by a name that is not registered. It compares
// the name with the registered drivers and with the drivers of this repository, and suggests
// only packages that exist. It returns text for an error message.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// ours are the names of drivers in this repository, each in the package of that name.
var ours = []string{"cookie", "memcache", "memory", "migrate", "mongo", "mysql", "postgres", "redis", "sqlite"}

// Driver returns a hint about a driver that is not registered, beginning with a space, or "" if
// no known driver has this or a similar name.
func Driver(name string, registered []string) string {
	like, found := similar(name, slices.Concat(registered, ours))
	missing := !slices.Contains(registered, like)
	switch {
	case !found:
		return ""
	case like == name:
		return fmt.Sprintf(" (forgotten import _ %q?)", "gosession.dev/session/drivers/"+like)
	case missing:
		return fmt.Sprintf(" (did you mean %q, and import _ %q?)", like, "gosession.dev/session/drivers/"+like)
	}
	return fmt.Sprintf(" (did you mean %q?)", like)
}

// similar returns the name that text most likely means: one that differs from it in case or by a
// typing error, begins with it, or occurs in it ("sqlite3", "inmemory").
func similar(text string, names []string) (best string, found bool) {
	text = strings.ToLower(text)
	least := len(text)
	for _, name := range names {
		d := distance(text, strings.ToLower(name))
		isPart := len(text) >= 3 && strings.HasPrefix(name, text) || len(name) >= 4 && strings.Contains(text, name)
		if (isPart || d <= min(len(text), len(name))/3) && (!found || d < least) {
			best, least, found = name, d, true
		}
	}
	return best, found
}

// distance returns the Levenshtein distance of a and b: how many bytes have to be inserted,
// deleted or replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
