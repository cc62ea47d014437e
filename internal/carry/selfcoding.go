package carry

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"errors"
	"reflect"
)

// selfCoding is how an encoding calls the methods of types that encode and decode themselves.
type selfCoding struct {
	tag     string                    // the key of field tags; with "-" a field is left out on purpose
	encodes func(t reflect.Type) bool // reports whether t or a pointer to it has a method that encodes
	encode  func(pointer any) ([]byte, error)
	decode  func(data []byte, pointer any) error
}

var (
	jsonSelfCoding = selfCoding{
		tag:     "json",
		encodes: func(t reflect.Type) bool { return encodesItself(t, marshaler, textMarshaler) },
		encode:  json.Marshal,
		decode:  json.Unmarshal,
	}
	gobSelfCoding = selfCoding{
		encodes: func(t reflect.Type) bool { return encodesItself(t, gobEncoder, binaryMarshaler) },
		encode:  gobBytes,
		decode:  readGobBytes,
	}
)

func encodesItself(t reflect.Type, methods ...reflect.Type) bool {
	return implements(t, methods...) || implements(reflect.PointerTo(t), methods...)
}

func gobBytes(pointer any) ([]byte, error) {
	switch v := pointer.(type) {
	case gob.GobEncoder:
		return v.GobEncode()
	case encoding.BinaryMarshaler:
		return v.MarshalBinary()
	}
	return nil, errors.ErrUnsupported
}

func readGobBytes(data []byte, pointer any) error {
	switch v := pointer.(type) {
	case gob.GobDecoder:
		return v.GobDecode(data)
	case encoding.BinaryUnmarshaler:
		return v.UnmarshalBinary(data)
	}
	return errors.ErrUnsupported
}

// errPanics is the error of a method that panics, such as one of an embedded pointer that is nil.
var errPanics = errors.New("panic")

func (i selfCoding) write(pointer reflect.Value) (data []byte, err error) {
	defer recovered(&err)
	return i.encode(pointer.Interface())
}

func (i selfCoding) read(data []byte, pointer reflect.Value) (err error) {
	defer recovered(&err)
	return i.decode(data, pointer.Interface())
}

func recovered(err *error) {
	if recover() != nil {
		*err = errPanics
	}
}

// maxEmbedded limits the depth of the search for promoted methods, because types may embed
// themselves.
const maxEmbedded = 4

// promotedFields returns the indexes of embedded fields whose methods may be promoted to t, so that
// they would encode t and leave out its other fields.
func promotedFields(t reflect.Type, i selfCoding) (found [][]int) {
	var visit func(t reflect.Type, index []int, others bool)
	visit = func(t reflect.Type, index []int, others bool) {
		if t.Kind() != reflect.Struct || len(index) == maxEmbedded {
			return
		}
		others = others || t.NumField() > 1
		for n := range t.NumField() {
			f := t.Field(n)
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if !f.Anonymous || !i.encodes(inner) {
				continue
			}
			path := append(index[:len(index):len(index)], n)
			if others || f.Type != inner || f.Type.Kind() == reflect.Interface {
				found = append(found, path)
			}
			visit(inner, path, others)
		}
	}
	visit(t, nil, false)
	return found
}

// losesFields reports whether v is encoded by the method of its embedded field, so that other
// fields of v are lost. It encodes both, and compares v with what it decodes.
func (i selfCoding) losesFields(v reflect.Value, index []int) bool {
	copied := func() reflect.Value {
		c := reflect.New(v.Type())
		c.Elem().Set(v)
		return c
	}
	want := copied()
	embedded, ok := unwrapped(want.Elem(), index)
	if !ok {
		return false
	}
	alone := embedded
	if kind := embedded.Kind(); kind != reflect.Pointer && kind != reflect.Interface {
		alone = embedded.Addr()
	}
	whole, err := i.write(want)
	part, partErr := i.write(alone)
	if err != nil || partErr != nil || !bytes.Equal(whole, part) {
		return err == errPanics
	}
	again := reflect.New(v.Type())
	if i.read(whole, again) != nil {
		return true
	}
	for n := range v.NumField() {
		if leftOut, _ := unwrapped(want.Elem(), []int{n}); v.Type().Field(n).Tag.Get(i.tag) == "-" {
			leftOut.SetZero()
		}
	}
	if decoded, ok := unwrapped(again.Elem(), index); ok {
		embedded.Set(decoded) // it may differ from the original and mean the same
	}
	return !reflect.DeepEqual(want.Interface(), again.Interface())
}

// unwrapped returns an embedded field of v, which can be set even if it is not exported. It
// replaces pointers on the way by pointers to copies. It reports false if one of them is nil.
func unwrapped(v reflect.Value, index []int) (field reflect.Value, ok bool) {
	for _, n := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			v.Set(c)
			v = c.Elem()
		}
		v = v.Field(n)
		v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	}
	return v, true
}
