package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const (
	bold = "1"
	red  = "31"
)

// paint colours text for a person: not for a file or a pipe, nor if NO_COLOR is set
// (no-color.org).
func paint(w io.Writer, colour, text string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// plain is text that others have chosen, as the label of a browser is: what would have a
// terminal do something is written as Go writes it.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// in is how long it is until t, as a person says it.
func in(t time.Time) string {
	d := time.Until(t)
	switch {
	case t.IsZero():
		return ""
	case d > 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d > 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d > 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// size is a number of bytes, as a person says it.
func size(bytes int) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

func oneOf(a, b string) string {
	if a == "" && b != "" {
		return "(" + b + ")"
	}
	return a
}

// exactly wants so many arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("want %s", what)
		}
		return nil
	}
}
