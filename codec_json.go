package session

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

const jsonName = "json"

type jsonCodec struct{}

func (jsonCodec) Name() string { return jsonName }

func (jsonCodec) Marshal(v any) ([]byte, error) {
	if data, ok := appendSmall(nil, v); ok {
		return data, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, cleanJSONError(err)
	}
	if err := checkJSON(reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	return data, nil
}

func (jsonCodec) Unmarshal(data []byte, v any) error {
	if readSmall(data, v) {
		return nil
	}
	if bytes.Equal(data, []byte("null")) {
		if t := reflect.TypeOf(v); t.Kind() == reflect.Pointer && !takesNull(t.Elem()) {
			return fmt.Errorf("a JSON null is not a %v", t.Elem())
		}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return cleanJSONError(err)
	}
	return nil
}

// takesNull reports whether null is a value of t. json.Unmarshal leaves the rest
// as they are, and a null would read as 0.
func takesNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// cleanJSONError returns an error with the types that err tells, and without the
// data that it quotes.
func cleanJSONError(err error) error {
	var mismatch *json.UnmarshalTypeError
	var unsupported *json.UnsupportedTypeError
	switch {
	case errors.As(err, &mismatch):
		found, _, _ := strings.Cut(mismatch.Value, " ") // "number 300" quotes
		if mismatch.Field == "" {
			return fmt.Errorf("a JSON %s is not a %v", found, mismatch.Type)
		}
		return fmt.Errorf("at %s, a JSON %s is not a %v", mismatch.Field, found, mismatch.Type)
	case errors.As(err, &unsupported):
		return fmt.Errorf("JSON has no %v; use the Gob codec or another type", unsupported.Type)
	}
	return quietError{err}
}

// quietError is an error that may be tested for but whose text may quote data.
type quietError struct{ cause error }

func (e quietError) Error() string { return "JSON can't carry it" }
func (e quietError) Unwrap() error { return e.cause }

// checkJSON finds what json.Marshal, which has accepted v, drops without a word:
// structs none of whose fields are exported, and bytes that are not UTF-8. It
// ends, for json.Marshal refuses cycles.
func checkJSON(v reflect.Value) error {
	if !v.IsValid() || marshalsItself(v) {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return errors.New("it has a string that is not UTF-8, which JSON garbles; use []byte")
		}
	case reflect.Pointer, reflect.Interface:
		return checkJSON(v.Elem())
	case reflect.Slice, reflect.Array:
		return checkJSONElements(v)
	case reflect.Map:
		for key, elem := range v.Seq2() {
			if err := errors.Join(checkJSON(key), checkJSON(elem)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return checkJSONStruct(v)
	}
	return nil
}

func checkJSONElements(v reflect.Value) error {
	switch v.Type().Elem().Kind() {
	case reflect.String, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
	default:
		return nil // numbers and the like: nothing to lose, and maybe a million of them
	}
	for i := range v.Len() {
		if err := checkJSON(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func checkJSONStruct(v reflect.Value) error {
	t, visible := v.Type(), false
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() && !field.Anonymous {
			continue
		}
		visible = true
		if !field.IsExported() || field.Tag.Get("json") == "-" {
			continue
		}
		if err := checkJSON(v.Field(i)); err != nil {
			return err
		}
	}
	if !visible && t.NumField() > 0 {
		return fmt.Errorf("JSON would silently empty a %v, which has no exported field; export them or implement json.Marshaler", t)
	}
	return nil
}

// marshalsItself reports whether json.Marshal asks v for its encoding.
func marshalsItself(v reflect.Value) bool {
	t := v.Type()
	if v.CanAddr() {
		t = reflect.PointerTo(t)
	}
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}
