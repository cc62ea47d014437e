package main

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// table prints rows in columns that line up on a terminal, also with wide and combining
// characters. Lines do not end in spaces.
type table struct {
	rows  [][]string
	right map[int]bool // columns that are aligned to the right
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the rows. If heading is true, the first row is printed as a heading.
func (t *table) print(w io.Writer, heading bool) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	for n, row := range t.rows {
		line := t.line(row, widths)
		if n == 0 && heading {
			line = paint(w, bold, line)
		}
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) line(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		if i > 0 {
			b.WriteString("  ")
		}
		padding := strings.Repeat(" ", widths[i]-columns(cell))
		if t.right[i] {
			b.WriteString(padding + cell)
		} else {
			b.WriteString(cell + padding)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// columns returns how many columns a printable text takes on a terminal.
func columns(text string) (n int) {
	for _, r := range text {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0 // drawn above or below the rune before it
	case wide(r):
		return 2
	}
	return 1
}

func wide(r rune) bool {
	kind := width.LookupRune(r).Kind()
	return kind == width.EastAsianWide || kind == width.EastAsianFullwidth
}

// cut shortens text to at most most columns, and to twice as many runes: combining characters
// take no column.
func cut(text string, most int) string {
	if columns(text) <= most && utf8.RuneCountInString(text) <= 2*most {
		return text
	}
	wide, runes := 0, 0
	for i, r := range text {
		wide += columnsOf(r)
		if runes++; wide > most-1 || runes > 2*most {
			return text[:i] + "…"
		}
	}
	return text
}
