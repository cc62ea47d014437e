package values

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	maxNamed     = 3  // values
	maxNameShown = 40 // bytes of a name
)

// Largest returns the names and sizes of the largest values, for an error message.
func Largest(vs List) string {
	size := func(v Value) int { return len(v.Name) + len(v.Data) }
	sorted := slices.SortedStableFunc(slices.Values(vs), func(a, b Value) int { return cmp.Compare(size(b), size(a)) })
	var named []string
	for _, v := range sorted[:min(len(sorted), maxNamed)] {
		name := string(v.Name)
		if len(name) > maxNameShown {
			name = strings.ToValidUTF8(name[:maxNameShown], "") + "..."
		}
		named = append(named, fmt.Sprintf("%q with %s bytes", name, Grouped(size(v))))
	}
	if len(named) == 0 {
		return "it has no values"
	}
	return "the largest are " + strings.Join(named, ", ")
}

// Grouped returns n with commas, as in "1,234,567".
func Grouped(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
