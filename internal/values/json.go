package values

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gosession.dev/session/internal/carry"
	"gosession.dev/session/internal/quiet"
)

// JSON encodes with package encoding/json, and refuses values that JSON would not carry whole.
type JSON struct{}

func (JSON) Name() string { return JSONName }

func (JSON) Marshal(v any) ([]byte, error) {
	if data, ok := appendSmall(nil, v); ok {
		return data, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, cleanJSONError(err)
	}
	if err := carry.JSON(v, data); err != nil {
		return nil, err
	}
	return data, nil
}

func (JSON) Unmarshal(data []byte, v any) error {
	if readSmall(data, v) {
		return nil
	}
	if bytes.Equal(data, []byte("null")) {
		if t := reflect.TypeOf(v); t.Kind() == reflect.Pointer && !takesNull(t.Elem()) {
			return fmt.Errorf("can't decode a JSON null as %v", t.Elem())
		}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return cleanJSONError(err)
	}
	if carry.Rounds(data, v) {
		return errRounds
	}
	return nil
}

var errRounds = errors.New("it has an integer that would be rounded, because an interface reads numbers as float64; read it as another type, such as json.Number")

// takesNull reports whether a JSON null is a value of type t. json.Unmarshal leaves variables of
// other types unchanged, so that a null would read as a zero.
func takesNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// cleanJSONError returns an error that does not quote data. If err says that encoding/json can't
// decode or encode a type, the result names the type.
func cleanJSONError(err error) error {
	var mismatch *json.UnmarshalTypeError
	var unsupported *json.UnsupportedTypeError
	switch {
	case errors.As(err, &mismatch):
		found, _, _ := strings.Cut(mismatch.Value, " ") // Value may be "number 300", which quotes data
		if !slices.Contains(jsonKinds, found) {
			break // the error comes from an UnmarshalJSON method
		}
		if mismatch.Field == "" {
			return fmt.Errorf("can't decode a JSON %s as %v", found, mismatch.Type)
		}
		return fmt.Errorf("at %s: can't decode a JSON %s as %v", mismatch.Field, found, mismatch.Type)
	case errors.As(err, &unsupported):
		return fmt.Errorf("JSON has no %v; use the Gob codec or another type", unsupported.Type)
	}
	return quiet.Error("encoding/json failed; its error is not shown, because it may quote data", err)
}

// jsonKinds are the kinds of JSON values that an UnmarshalTypeError names.
var jsonKinds = []string{"object", "array", "string", "number", "bool", "null"}
