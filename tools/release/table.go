package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A row holds the downloads of one consumer or command.
type row struct {
	name string
	sent downloads
}

// table returns the rows as a Markdown table, smallest download first, with columns that are aligned in the source too.
func table(rows []row) string {
	lines := [][]string{{"with", "modules", "megabytes"}, nil}
	for _, r := range slices.SortedFunc(slices.Values(rows), smallestFirst) {
		lines = append(lines, []string{"`" + r.name + "`", fmt.Sprint(r.sent.modules), fmt.Sprintf("%.1f", r.sent.megabytes())})
	}
	var widths [3]int
	for _, line := range lines {
		for column, cell := range line {
			widths[column] = max(widths[column], len(cell))
		}
	}
	lines[1] = []string{strings.Repeat("-", widths[0]), strings.Repeat("-", widths[1]-1) + ":", strings.Repeat("-", widths[2]-1) + ":"}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "| %-*s | %*s | %*s |\n", widths[0], line[0], widths[1], line[1], widths[2], line[2])
	}
	return text.String()
}

func smallestFirst(a, b row) int {
	return cmp.Or(cmp.Compare(a.sent.megabytes(), b.sent.megabytes()), strings.Compare(a.name, b.name))
}

// The README has the table between these lines.
const (
	tableBegin = "<!-- downloads: written by \"go run ./tools/release rehearse -write\" -->\n"
	tableEnd   = "<!-- end of downloads -->\n"
)

// replaceTable replaces the table in the file.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s lacks the lines %q and %q", file, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(file, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o644)
}
