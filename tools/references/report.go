package main

import (
	"fmt"
	"slices"
	"strings"
)

// report lists the references against the order, with one line for each pair of files.
func report(layers layers, up []reference) string {
	var text strings.Builder
	for len(up) > 0 {
		first := up[0]
		n := slices.IndexFunc(up, func(r reference) bool { return r.from != first.from || r.to != first.to })
		if n < 0 {
			n = len(up)
		}
		var names []string
		for _, r := range up[:n] {
			names = append(names, r.name)
		}
		fmt.Fprintf(&text, "%s (%s) -> %s (%s): %s\n", first.from, layers[layers.of(first.from)].name,
			first.to, layers[layers.of(first.to)].name, strings.Join(names, ", "))
		up = up[n:]
	}
	return text.String()
}

// pairs returns the number of different pairs of files in refs.
func pairs(refs []reference) int {
	seen := map[[2]string]bool{}
	for _, r := range refs {
		seen[[2]string{r.from, r.to}] = true
	}
	return len(seen)
}
