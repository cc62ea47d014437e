package values

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// A Codec encodes and decodes single values. It is the same as session.Codec, which documents
// the methods.
type Codec interface {
	Name() string
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// JSONName is the name of codecs whose encoded values are JSON.
const JSONName = "json"

// CheckName returns an error if name is not UTF-8. JSON replaces invalid bytes, so that two
// names might become one; the rule is the same for every codec.
func CheckName(name string) error {
	if !utf8.ValidString(name) {
		return errors.New("the name of a value must be UTF-8; encode other bytes, for example in Base64")
	}
	return nil
}

// Encode encodes v, to be stored under name. Its error gives the name and the type of v.
func Encode(c Codec, name string, v any) ([]byte, error) {
	data, err := c.Marshal(v)
	if err != nil {
		return nil, &codingError{name, "stored as", reflect.TypeOf(v), err}
	}
	return data, nil
}

// Decode decodes data, which is stored under name. With an error it returns the zero T. The error
// gives the name and T.
func Decode[T any](c Codec, name string, data []byte) (T, error) {
	var value, zero T
	if err := c.Unmarshal(data, &value); err != nil {
		return zero, &codingError{name, "read as", reflect.TypeFor[T](), err}
	}
	return value, nil
}

// Same reports whether a and b encode equal values of type T. For JSON, Same compares only the
// bytes, because encoding/json encodes equal values alike. Other codecs may not: Gob does not
// sort map keys.
func Same[T any](c Codec, a, b []byte) bool {
	if bytes.Equal(a, b) || c.Name() == JSONName {
		return bytes.Equal(a, b)
	}
	var v, w T
	return c.Unmarshal(a, &v) == nil && c.Unmarshal(b, &w) == nil && reflect.DeepEqual(v, w)
}

// codingError is the error of a value that can't be encoded or decoded. Its text shows the name
// and the type, and never the value.
type codingError struct {
	name  string
	verb  string
	typ   reflect.Type
	cause error
}

func (e *codingError) Error() string {
	return fmt.Sprintf("value %q can't be %s %v: %v", e.name, e.verb, e.typ, e.cause)
}

func (e *codingError) Unwrap() error { return e.cause }
