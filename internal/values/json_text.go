package values

import (
	"bytes"
	"encoding/json"
)

// unquote returns the text of a JSON string, with or without escapes.
func unquote(quoted []byte) ([]byte, error) {
	if text, ok := plainText(quoted); ok {
		return text, nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err
}

// plainText returns the text of a JSON string without escapes, which shares memory with quoted.
// It reports false for every other string.
func plainText(quoted []byte) ([]byte, bool) {
	end := len(quoted) - 1
	if end < 1 || quoted[0] != '"' || quoted[end] != '"' || !isPlain(quoted[1:end]) {
		return nil, false
	}
	return quoted[1:end], true
}

// appendPlain appends text to b as a JSON string. If the string would need escapes, it appends
// nothing and reports false.
func appendPlain[T ~string | ~[]byte](b []byte, text T) ([]byte, bool) {
	if !isPlain(text) {
		return b, false
	}
	return append(append(append(b, '"'), text...), '"'), true
}

// isPlain reports whether text is printable ASCII that encoding/json would write unchanged.
func isPlain[T ~string | ~[]byte](text T) bool {
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// skipSpace returns b without the white space of JSON at its front.
func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// trimSpace returns b without the white space of JSON around it.
func trimSpace(b []byte) []byte { return bytes.TrimRight(skipSpace(b), " \t\n\r") }

// stringEnd returns the length of the JSON string at the front of b, or -1 if there is none.
func stringEnd(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return -1
	}
	for i := 1; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		if !escaped(b[1:i]) {
			return i + 1
		}
	}
}

// escaped reports whether the byte after b is escaped, which is the case if b, a part of a JSON
// string, ends in an odd number of backslashes.
func escaped(b []byte) bool {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
