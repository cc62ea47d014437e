package carry

import (
	"bytes"
	"encoding/json"
	"math/big"
	"math/bits"
	"reflect"
	"strconv"
)

// maxDepth is the number of levels that encoding/json decodes.
const maxDepth = 10_000

// isTooDeep reports whether JSON has too many levels to be decoded.
func isTooDeep(data []byte) bool {
	if len(data) <= 2*maxDepth || bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch steps[data[i]] {
		case quote:
			i = stringEnd(data, i+1)
		case opens:
			if depth++; depth > maxDepth {
				return true
			}
		case closes:
			depth--
		}
	}
	return false
}

// steps says how a byte outside of a string changes the depth of JSON.
var steps = [256]byte{'"': quote, '{': opens, '[': opens, '}': closes, ']': closes}

const (
	quote = 1 + iota
	opens
	closes
)

// stringEnd returns the position of the quote that ends the string whose text begins at i.
func stringEnd(data []byte, i int) int {
	for {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return len(data)
		}
		backslashes := 0
		for backslashes < n && data[i+n-1-backslashes] == '\\' {
			backslashes++
		}
		if i += n; backslashes%2 == 0 {
			return i
		}
		i++
	}
}

// longNumber is the number of digits that a float64 always preserves.
const longNumber = 15

// hasLongNumber reports whether JSON may contain an integer that a float64 can't hold. It reads
// every sixteenth byte, and if that is a digit, the digits around it.
func hasLongNumber(data []byte) bool {
	for i := longNumber; i < len(data); i += longNumber + 1 {
		if !isDigit(data[i]) {
			continue
		}
		from, to := i, i
		for from > 0 && isDigit(data[from-1]) {
			from--
		}
		for to+1 < len(data) && isDigit(data[to+1]) {
			to++
		}
		if to-from >= longNumber {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// hasRoundedNumber reports whether JSON contains an integer that an interface would round.
func hasRoundedNumber(data []byte) bool {
	if !hasLongNumber(data) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if n, ok := token.(json.Number); ok && isRounded(n.String()) {
			return true
		}
	}
}

// isRounded reports whether a JSON number is an integer that a float64 can't hold. A text that a
// float64 would print counts as exact.
func isRounded(text string) bool {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return true
	}
	n, isInt := new(big.Int).SetString(text, 10)
	if !isInt || strconv.FormatFloat(f, 'f', -1, 64) == text {
		return false
	}
	exact, _ := big.NewFloat(f).Int(nil)
	return exact.Cmp(n) != 0
}

// isRoundedInt reports whether v is an integer that a float64 can't hold.
func isRoundedInt(v reflect.Value) bool {
	var magnitude uint64
	switch {
	case v.CanInt():
		magnitude = uint64(max(v.Int(), -v.Int()))
	case v.CanUint():
		magnitude = v.Uint()
	}
	return magnitude != 0 && bits.Len64(magnitude)-bits.TrailingZeros64(magnitude) > 53
}

// Rounds reports whether json.Unmarshal rounded an integer when it decoded data into the variable
// that v points to, which happens in interfaces.
func Rounds(data []byte, v any) bool {
	t := reflect.TypeOf(v).Elem()
	n := jsonTypes.of(t)
	if !n.hasAny || !hasLongNumber(data) {
		return false
	}
	again := reflect.New(t)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(again.Interface()) != nil {
		return false
	}
	return rounds(n, again.Elem())
}

func rounds(n *node, v reflect.Value) bool {
	if !n.hasAny || n.codesItself {
		return false
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() || n.elem == nil {
			return !v.IsNil() && roundsAny(v.Interface())
		}
		return rounds(n.elem, v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if rounds(n.elem, v.Index(i)) {
				return true
			}
		}
	case reflect.Map:
		for _, elem := range v.Seq2() {
			if rounds(n.elem, elem) {
				return true
			}
		}
	case reflect.Struct:
		for _, f := range n.fields {
			if at, err := v.FieldByIndexErr(f.index); err == nil && rounds(f.node, at) {
				return true
			}
		}
	}
	return false
}

// roundsAny reports whether a value that was decoded into an interface, with its numbers as
// json.Number, contains an integer that a float64 would round.
func roundsAny(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return isRounded(v.String())
	case []any:
		for _, elem := range v {
			if roundsAny(elem) {
				return true
			}
		}
	case map[string]any:
		for _, elem := range v {
			if roundsAny(elem) {
				return true
			}
		}
	}
	return false
}
