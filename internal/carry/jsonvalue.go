package carry

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// JSON returns an error if data, which json.Marshal has made of v, does not carry v whole.
//
// It accepts that values in interfaces come back as float64, string, bool, []any or
// map[string]any, and that the tag of a field leaves the field out (json:"-", omitempty).
func JSON(v any, data []byte) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	if v == nil {
		return nil
	}
	n := jsonTypes.of(reflect.TypeOf(v))
	if n.unbounded && isTooDeep(data) {
		return errTooDeep
	}
	w := jsonWalk{thorough: bytes.Contains(data, garbled) || n.hasAny && hasLongNumber(data)}
	if !n.needsWalk && !w.thorough {
		return nil
	}
	return w.walk(n, reflect.ValueOf(v), false)
}

var (
	errNotUTF8 = errors.New("it has text that is not UTF-8, which JSON garbles; use []byte")
	errTooDeep = fmt.Errorf("it has more than %d levels, and JSON with more levels can't be decoded", maxDepth)
	errRounded = errors.New("it has, in an interface, an integer that would be rounded, because interfaces read numbers as float64; give the field or element the type of the integer, or store a string")
)

// garbled is how json.Marshal writes bytes that are not UTF-8. A valid text may contain it too.
var garbled = []byte(`\ufffd`)

// jsonWalk examines a value that json.Marshal has accepted, so there are no cycles.
type jsonWalk struct {
	thorough bool // examine strings, and numbers in interfaces, too
}

// walk examines a value; inAny tells whether it is in an interface.
func (w jsonWalk) walk(n *node, v reflect.Value, inAny bool) error {
	if n.err != nil {
		return n.err
	}
	if !n.needsWalk && !w.thorough {
		return nil
	}
	if err := w.walkSelfCoding(n, v, inAny); err != nil || n.codesItself {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return w.walkInner(n, v, inAny)
	case reflect.Slice, reflect.Array:
		return w.walkElements(n, v, inAny)
	case reflect.Map:
		return w.walkMap(n, v, inAny)
	case reflect.Struct:
		return w.walkFields(n, v, inAny)
	case reflect.String:
		return w.walkString(v, inAny)
	}
	if w.thorough && inAny && isRoundedInt(v) {
		return errRounded
	}
	return nil
}

func (w jsonWalk) walkInner(n *node, v reflect.Value, inAny bool) error {
	switch {
	case v.IsNil():
		return nil
	case v.Kind() == reflect.Pointer:
		return w.walk(n.elem, v.Elem(), inAny)
	case !n.isAny():
		return fmt.Errorf("JSON can't be read back into a %v, which is an interface with methods; store a type of your own", n.typ)
	}
	return w.walk(jsonTypes.of(v.Elem().Type()), v.Elem(), true)
}

func (w jsonWalk) walkElements(n *node, v reflect.Value, inAny bool) error {
	if n.elem == nil || !n.elem.needsWalk && (!w.thorough || !isNested(n.elem) && !inAny) {
		return nil
	}
	for i := range v.Len() {
		if err := w.walk(n.elem, v.Index(i), inAny); err != nil {
			return err
		}
	}
	return nil
}

// isNested reports whether values of n may contain strings.
func isNested(n *node) bool {
	return n.codesItself || n.elem != nil || len(n.fields) > 0 || n.typ.Kind() == reflect.String
}

func (w jsonWalk) walkFields(n *node, v reflect.Value, inAny bool) error {
	for _, f := range n.fields {
		if !f.node.needsWalk && !w.thorough {
			continue
		}
		at, err := v.FieldByIndexErr(f.index)
		if err != nil {
			continue // an embedded pointer is nil
		}
		if err := w.walk(f.node, at, inAny); err != nil {
			return err
		}
	}
	return nil
}

func (w jsonWalk) walkString(v reflect.Value, inAny bool) error {
	switch {
	case !w.thorough:
	case !utf8.ValidString(v.String()):
		return errNotUTF8
	case inAny && v.Type() == number && isRounded(v.String()):
		return errRounded
	}
	return nil
}

func (w jsonWalk) walkMap(n *node, v reflect.Value, inAny bool) error {
	if n.keys == brokenKeys && !v.IsNil() {
		return fmt.Errorf("JSON can't be read back into a %v, whose keys need both MarshalText and UnmarshalText of their own", n.typ)
	}
	texts := map[string]bool{}
	for key, elem := range v.Seq2() {
		if err := w.walkKey(n, key, texts); err != nil {
			return err
		}
		if err := w.walk(n.elem, elem, inAny); err != nil {
			return err
		}
	}
	return nil
}

func (w jsonWalk) walkKey(n *node, key reflect.Value, texts map[string]bool) error {
	if key.Kind() == reflect.String && w.thorough && !utf8.ValidString(key.String()) {
		return errNotUTF8
	}
	if n.keys == plainKeys || !key.CanInterface() {
		return nil
	}
	text := []byte(nil)
	if n.keys == rereadKeys {
		again := reflect.New(key.Type())
		err := again.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(key.String()))
		if err != nil || again.Elem().String() != key.String() {
			return fmt.Errorf("JSON can't be read back into a %v, because its keys change when they are decoded", n.typ)
		}
		return nil
	}
	if key.Kind() != reflect.Pointer || !key.IsNil() {
		var err error
		if text, err = key.Interface().(encoding.TextMarshaler).MarshalText(); err != nil {
			return errors.New("a key of a map can't be encoded")
		}
	}
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	if texts[string(text)] {
		return fmt.Errorf("JSON would lose elements of a %v, in which two keys have the same text", n.typ)
	}
	texts[string(text)] = true
	return nil
}

// walkSelfCoding examines a value that encodes or decodes itself.
func (w jsonWalk) walkSelfCoding(n *node, v reflect.Value, inAny bool) error {
	if !n.codesItself && !n.oneWay || !v.CanInterface() || v.Kind() == reflect.Pointer {
		return nil
	}
	if (n.oneWay || n.promoted != nil) && !isReadBack(v) {
		return fmt.Errorf("JSON of a %v can't be read back whole: it needs both MarshalJSON and UnmarshalJSON of its own, or MarshalText and UnmarshalText", n.typ)
	}
	for _, index := range n.promoted {
		if jsonSelfCoding.losesFields(v, index) {
			return fmt.Errorf("JSON would silently lose fields of a %v, because it has the methods of its embedded %v; give the field a name, or implement json.Marshaler and json.Unmarshaler", n.typ, n.typ.FieldByIndex(index).Type)
		}
	}
	if !w.thorough || !n.codesItself {
		return nil
	}
	if m, ok := addressed(v).(encoding.TextMarshaler); ok && !implements(reflect.PointerTo(n.typ), marshaler) {
		if text, err := m.MarshalText(); err == nil && !utf8.Valid(text) {
			return errNotUTF8
		}
	}
	if data, err := json.Marshal(addressed(v)); inAny && err == nil && hasRoundedNumber(data) {
		return errRounded
	}
	return nil
}

// addressed returns the value whose methods encoding/json calls: a pointer to v if v can be
// addressed.
func addressed(v reflect.Value) any {
	if v.CanAddr() {
		return v.Addr().Interface()
	}
	return v.Interface()
}

// isReadBack reports whether v's JSON decodes to a value that has the same JSON.
func isReadBack(v reflect.Value) bool {
	data, err := json.Marshal(addressed(v))
	if err != nil {
		return false
	}
	again := reflect.New(v.Type())
	if jsonSelfCoding.read(data, again) != nil {
		return false
	}
	if !v.CanAddr() {
		again = again.Elem()
	}
	second, err := json.Marshal(again.Interface())
	return err == nil && bytes.Equal(data, second)
}
