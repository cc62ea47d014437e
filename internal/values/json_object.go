package values

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Package encoding/json decodes a whole object to find its members. The functions below find
// only where each member ends; a value is checked when it is decoded. They split every JSON
// object into the same members as encoding/json. If data is not a JSON object, they either
// return an error or return at least one value that can't be decoded.

var errNotJSON = errors.New("not a JSON object")

// commonCount is the number of values that a list has room for before it grows.
const commonCount = 8

// joinJSON appends a JSON object with the values to b.
func joinJSON(b []byte, vs List) ([]byte, error) {
	b = append(b, '{')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendPlain(b, v.Name); !ok {
			quoted, err := json.Marshal(string(v.Name))
			if err != nil {
				return nil, err
			}
			b = append(b, quoted...)
		}
		b = append(append(b, ':'), v.Data...)
	}
	return append(b, '}'), nil
}

// splitJSON returns the members of a JSON object in their order. The index is zero, or holds the
// sizes of their values.
func splitJSON(data []byte, sizes Index) (List, error) {
	rest, found := bytes.CutPrefix(skipSpace(data), []byte("{"))
	if !found {
		return nil, errNotJSON
	}
	vs := make(List, 0, max(commonCount, sizes.count))
	if rest = skipSpace(rest); len(rest) > 0 && rest[0] == '}' {
		return vs, atEnd(rest[1:])
	}
	for {
		v, after, err := cutMember(rest, sizes.next())
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

// atEnd returns an error if anything but white space follows the object.
func atEnd(rest []byte) error {
	if len(skipSpace(rest)) > 0 {
		return errNotJSON
	}
	return nil
}

// cutMember cuts a member and the white space after it off the front of b. The size is that of
// the member's value, or 0 if it is not known.
func cutMember(b []byte, size int) (v Value, after []byte, err error) {
	n := stringEnd(b)
	if n < 0 {
		return v, nil, errNotJSON
	}
	if v.Name, err = unquote(b[:n]); err != nil {
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
	v.Data = rest[:n:n]
	return v, skipSpace(rest[n:]), nil
}

// valueEnd returns the length of the JSON value at the front of b, or -1 if it does not end in b.
// It does not check that the value is JSON.
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
