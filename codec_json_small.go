package session

import "strconv"

// Most values are numbers, words and flags, whose JSON is simple enough to be read
// and written without package encoding/json, of which a request would otherwise
// spend most of its time. What is not as simple as can be is left to it.

// appendSmall appends the JSON of a small value, and reports whether v is one.
func appendSmall(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(b, int64(v), 10), true
	case int64:
		return strconv.AppendInt(b, v, 10), true
	case bool:
		return strconv.AppendBool(b, v), true
	case string:
		return appendPlain(b, v)
	}
	return b, false
}

// readSmall decodes data into v, and reports whether it could.
func readSmall(data []byte, v any) bool {
	switch v := v.(type) {
	case *int:
		n, ok := smallInt(data)
		if ok {
			*v = n
		}
		return ok
	case *int64:
		n, ok := smallInt(data)
		if ok {
			*v = int64(n)
		}
		return ok
	case *bool:
		is := string(data) == "true"
		ok := is || string(data) == "false"
		if ok {
			*v = is
		}
		return ok
	case *string:
		text, ok := plainText(data)
		if ok {
			*v = string(text)
		}
		return ok
	}
	return false
}

// smallInt reads up to nine digits, of which the first is not 0.
func smallInt(data []byte) (n int, ok bool) {
	if len(data) == 0 || len(data) > 9 || data[0] == '0' && len(data) > 1 {
		return 0, false
	}
	for _, c := range data {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
