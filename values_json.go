package session

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Reading a session is first of all finding out where its values are. Package
// encoding/json does that by decoding everything; what is here only finds the ends
// of the members of an object, and leaves it to the decoding of a value, if it
// comes to that, to look what is between them. So it takes every JSON object apart
// as encoding/json does; and of what is not JSON, it refuses some, and of the rest
// at least one value can't be decoded.

var errNotJSON = errors.New("no JSON object")

// commonCount is how many values most sessions have at most.
const commonCount = 8

// splitJSON takes a JSON object apart. If sizes are given, they are those of its
// values.
func splitJSON(data []byte, sizes []int) (encodedValues, error) {
	rest, found := bytes.CutPrefix(skipSpace(data), []byte("{"))
	if !found {
		return nil, errNotJSON
	}
	vs := make(encodedValues, 0, max(commonCount, len(sizes)))
	if rest = skipSpace(rest); len(rest) > 0 && rest[0] == '}' {
		return vs, atEnd(rest[1:])
	}
	for {
		size := 0
		if len(vs) < len(sizes) {
			size = sizes[len(vs)]
		}
		v, after, err := cutMember(rest, size)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
		switch {
		case len(after) > 0 && after[0] == ',':
			rest = skipSpace(after[1:])
		case len(after) > 0 && after[0] == '}':
			return vs, atEnd(after[1:])
		default:
			return nil, errNotJSON
		}
	}
}

// atEnd refuses anything behind the object.
func atEnd(rest []byte) error {
	if len(skipSpace(rest)) > 0 {
		return errNotJSON
	}
	return nil
}

// cutMember takes a member off the front of b, and the space behind it. The size of
// its value is 0 if it is not known.
func cutMember(b []byte, size int) (v encodedValue, after []byte, err error) {
	n := stringEnd(b)
	if n < 0 {
		return v, nil, errNotJSON
	}
	if v.key, err = unquote(b[:n]); err != nil {
		return v, nil, err
	}
	rest, found := bytes.CutPrefix(skipSpace(b[n:]), []byte(":"))
	rest = skipSpace(rest)
	if n = size; n <= 0 || n > len(rest) {
		n = valueEnd(rest)
	}
	if !found || n <= 0 {
		return v, nil, errNotJSON
	}
	v.data = rest[:n:n]
	return v, skipSpace(rest[n:]), nil
}

// unquote returns the text of a JSON string.
func unquote(quoted []byte) ([]byte, error) {
	if text, ok := plainText(quoted); ok {
		return text, nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err
}

// plainText returns the text of a JSON string that has no escapes.
func plainText(quoted []byte) ([]byte, bool) {
	end := len(quoted) - 1
	if end < 1 || quoted[0] != '"' || quoted[end] != '"' || !isPlain(quoted[1:end]) {
		return nil, false
	}
	return quoted[1:end], true
}

// appendPlain appends the JSON string of a text that needs no escapes, and reports
// whether it is one.
func appendPlain[T ~string | ~[]byte](b []byte, text T) ([]byte, bool) {
	if !isPlain(text) {
		return b, false
	}
	return append(append(append(b, '"'), text...), '"'), true
}

// isPlain reports whether text stands in JSON as it is.
func isPlain[T ~string | ~[]byte](text T) bool {
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// valueEnd returns how many bytes at the front of b are a value, if it is one, and
// -1 if it has no end.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringEnd(b[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// stringEnd returns how many bytes at the front of b are a JSON string, and -1 if
// none is.
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

// escaped reports whether what follows b, a part of a JSON string, is escaped: by
// an odd number of backslashes.
func escaped(b []byte) bool {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
