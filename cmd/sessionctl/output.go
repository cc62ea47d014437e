package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	bold = "1"
	red  = "31"
)

// paint colours text if w is a terminal, unless NO_COLOR is set (no-color.org) or the terminal
// is dumb.
func paint(w io.Writer, colour, text string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// isTerminal reports whether a reader or writer is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// say prints a line of text.
func (c *ctl) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

// result prints the result of a command: a line of text, or with --json the object.
func (c *ctl) result(object any, format string, args ...any) error {
	if c.json {
		return c.encode(object)
	}
	return c.say(format, args...)
}

// encode prints an object as a line of JSON. It escapes characters that control a terminal:
// in JSON they only occur within strings.
func (c *ctl) encode(object any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch high, low := utf16.EncodeRune(r); {
		case unicode.IsPrint(r) && (r != utf8.RuneError || size > 1):
			b.Write(text[:size])
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	b.WriteByte('\n')
	_, err = c.out.Write(b.Bytes())
	return err
}

// plain returns text with the characters that control a terminal escaped as in Go. Subjects,
// labels and values come from users.
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

// at formats a time with its zone.
func at(t time.Time) string { return t.Local().Format(time.RFC3339) }

// in formats the time until t, such as "20 min".
func in(t time.Time) string {
	if d := time.Until(t); d > 0 {
		return span(d)
	}
	return "0 s"
}

// ago formats the time since t, such as "20 min ago".
func ago(t time.Time) string { return span(max(time.Since(t), 0)) + " ago" }

func span(d time.Duration) string {
	switch {
	case d > 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d > 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d > 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// size formats a number of bytes, such as "12 KiB".
func size(bytes int) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}
