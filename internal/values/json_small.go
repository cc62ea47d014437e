package values

import "strconv"

// Most values are numbers, words and flags, and encoding/json would take most of the time of a
// request to encode and decode them. The functions below handle the simplest cases with the same
// results, and leave all other cases to encoding/json.

// appendSmall appends the JSON of v to b, or reports false if v is not a simple case.
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

// readSmall decodes data into the variable that v points to, or reports false if it is not a
// simple case.
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

// smallInt parses 0, or up to nine digits that do not begin with 0.
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
