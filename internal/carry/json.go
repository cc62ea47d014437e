package carry

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// jsonTypes is set in init, because fillJSON refers to it.
var jsonTypes types

func init() { jsonTypes.fill = fillJSON }

var (
	marshaler       = reflect.TypeFor[json.Marshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	number          = reflect.TypeFor[json.Number]()
)

// keyRule says what must be checked in the keys of a map.
type keyRule int

const (
	plainKeys  keyRule = iota // nothing
	textKeys                  // the keys encode themselves: two keys may have the same text
	rereadKeys                // the keys are strings that decode themselves: they may change
	brokenKeys                // encoding/json can't decode the keys that it has encoded
)

// fillJSON completes a node by the rules of encoding/json.
func fillJSON(n *node, addressable bool) {
	t := n.typ
	switch t.Kind() {
	case reflect.Interface:
		return
	case reflect.Pointer:
		n.elem = jsonTypes.get(t.Elem(), true)
		return
	}
	encodes, err := encodesJSON(t, addressable)
	byJSON, readsJSON := implements(reflect.PointerTo(t), marshaler), implements(reflect.PointerTo(t), unmarshaler)
	n.codesItself, n.oneWay, n.err = encodes, encodes != decodesJSON(t) || byJSON != readsJSON, err
	n.anyDepth = encodes && byJSON
	if encodes || err != nil {
		if err == nil {
			n.promoted = promotedFields(t, jsonSelfCoding)
		}
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && !implements(reflect.PointerTo(t.Elem()), marshaler, textMarshaler) {
			return // Base64
		}
		n.elem = jsonTypes.get(t.Elem(), true)
	case reflect.Array:
		if t.Len() > 0 {
			n.elem = jsonTypes.get(t.Elem(), addressable)
			n.err = n.elem.err
		}
	case reflect.Map:
		n.keys = keyRuleOf(t.Key())
		n.elem = jsonTypes.get(t.Elem(), false)
	case reflect.Struct:
		n.fields, n.err = jsonFields(t, addressable)
	}
}

func implements(t reflect.Type, any ...reflect.Type) bool {
	for _, i := range any {
		if t.Implements(i) {
			return true
		}
	}
	return false
}

// encodesJSON reports whether encoding/json calls a method of t to encode a value. It returns an
// error if there is a method that encoding/json would not call.
func encodesJSON(t reflect.Type, addressable bool) (bool, error) {
	for _, method := range []reflect.Type{marshaler, textMarshaler} {
		byPointer := reflect.PointerTo(t).Implements(method)
		switch {
		case t.Implements(method) || byPointer && addressable:
			return true, nil
		case byPointer:
			return false, fmt.Errorf("JSON would not be made by the %s of *%v, because the method has a pointer receiver; store a pointer", method.Method(0).Name, t)
		}
	}
	return false, nil
}

func decodesJSON(t reflect.Type) bool {
	return implements(reflect.PointerTo(t), unmarshaler, textUnmarshaler)
}

func keyRuleOf(t reflect.Type) keyRule {
	reads := reflect.PointerTo(t).Implements(textUnmarshaler)
	writes := t.Kind() != reflect.String && t.Implements(textMarshaler)
	switch {
	case t.Kind() == reflect.String && reads:
		return rereadKeys
	case writes != reads, t.Kind() == reflect.Interface, writes && promotedFields(t, jsonSelfCoding) != nil:
		return brokenKeys
	case writes:
		return textKeys
	}
	return plainKeys
}
