package carry

import (
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// gobTypes is set in init, because fillGob refers to it.
var gobTypes types

func init() { gobTypes.fill = fillGob }

var (
	gobEncoder        = reflect.TypeFor[gob.GobEncoder]()
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	gobDecoder        = reflect.TypeFor[gob.GobDecoder]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
)

// fillGob completes a node by the rules of encoding/gob.
func fillGob(n *node, _ bool) {
	t := n.typ
	switch t.Kind() {
	case reflect.Interface:
		return
	case reflect.Pointer:
		n.elem = gobTypes.get(t.Elem(), false)
		if inner := n.elem.elem; t.Elem().Kind() == reflect.Pointer && inner != nil && (inner.codesItself || inner.err != nil) {
			n.err = fmt.Errorf("Gob can't encode a %v, a pointer to a pointer; use one pointer", t)
		}
		return
	}
	n.codesItself = implements(reflect.PointerTo(t), gobEncoder, binaryMarshaler)
	if n.codesItself != implements(reflect.PointerTo(t), gobDecoder, binaryUnmarshaler) {
		n.err = fmt.Errorf("Gob can't read a %v back, because it has only one of GobEncode and GobDecode, or of MarshalBinary and UnmarshalBinary", t)
	}
	if n.codesItself || n.err != nil {
		n.promoted = promotedFields(t, gobSelfCoding)
		return
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		n.elem = gobTypes.get(t.Elem(), false)
	case reflect.Map:
		n.elem = gobTypes.get(t.Elem(), false)
		n.fields = []field{{node: gobTypes.get(t.Key(), false)}}
		if t.Key().Kind() != reflect.Interface && hasPointer(t.Key()) {
			n.err = errGobKeys(t)
		}
	case reflect.Struct:
		n.fields, n.pointers, n.err = gobFields(t)
	}
	if n.elem != nil {
		n.pointers = t.Elem().Kind() == reflect.Pointer
	}
	if t.Kind() == reflect.Array && t.Len() > 0 {
		n.err = n.elem.err
	}
}

func gobFields(t reflect.Type) (fields []field, pointers bool, err error) {
	exported := false
	for i := range t.NumField() {
		f := t.Field(i)
		exported = exported || f.IsExported()
		if !f.IsExported() && !holdsNothing(f) && err == nil {
			err = fmt.Errorf("Gob would silently lose the field %s of a %v, which is not exported; export it, implement gob.GobEncoder and gob.GobDecoder, or store a type of your own", f.Name, t)
		}
		if f.IsExported() && isGobless(f.Type) && err == nil {
			err = fmt.Errorf("Gob would silently lose the field %s of a %v, because it has no %v; store a type of your own", f.Name, t, f.Type)
		}
	}
	if !exported {
		return nil, false, fmt.Errorf("Gob can't encode a %v, which has no exported fields; export them, or implement gob.GobEncoder and gob.GobDecoder", t)
	}
	if err != nil {
		return nil, false, err
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		n := gobTypes.get(f.Type, false)
		pointers = pointers || f.Type.Kind() == reflect.Pointer
		if n.err != nil {
			return nil, false, n.err
		}
		fields = append(fields, field{f.Index, n})
	}
	return fields, pointers, nil
}

func errGobKeys(t reflect.Type) error {
	return fmt.Errorf("Gob can't read a %v back, because it makes new pointers in the keys; use keys without pointers", t)
}

// hasPointer reports whether equality of keys of type t depends on pointers.
func hasPointer(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Chan, reflect.UnsafePointer:
		return true
	case reflect.Array:
		return hasPointer(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointer(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// isGobless reports whether gob leaves out fields of type t.
func isGobless(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Chan || t.Kind() == reflect.Func
}

// Gob returns an error if encoding/gob would panic for v, never return, or not carry v whole. It
// accepts that empty slices come back as nil.
func Gob(v any) error {
	if v == nil {
		return errNilGob
	}
	n := gobTypes.of(reflect.TypeOf(v))
	top := reflect.ValueOf(v)
	for depth := 0; top.Kind() == reflect.Pointer; depth++ {
		if top.IsNil() {
			return errNilGob
		}
		if top = top.Elem(); depth > maxDepth { // a type such as P *P can point to itself
			return errCycle
		}
	}
	if !n.needsWalk && !n.unbounded {
		return nil
	}
	w := gobWalk{path: map[visit]bool{}}
	return w.walk(n, reflect.ValueOf(v), 0)
}

var (
	errNilGob  = errors.New("Gob has no nil; delete the value, or use the JSON codec")
	errCycle   = fmt.Errorf("it has a cycle or more than %d levels, which Gob would never finish encoding", maxDepth)
	errZeroPtr = errors.New("it has a pointer to a zero value, which Gob reads as nil; use the type itself, or the JSON codec")
)

// visit is a pointer, map or slice on the path to the current value.
type visit struct {
	at  unsafe.Pointer
	typ reflect.Type
	len int
}

type gobWalk struct{ path map[visit]bool }

func (w gobWalk) walk(n *node, v reflect.Value, depth int) error {
	switch {
	case n.err != nil:
		return n.err
	case n.codesItself:
		return checkPromoted(n, v)
	}
	if !n.needsWalk && !n.unbounded {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		at := visit{v.UnsafePointer(), v.Type(), 0}
		if v.Kind() != reflect.Pointer {
			at.len = v.Len()
		}
		if v.IsNil() || v.Kind() == reflect.Slice && at.len == 0 {
			return nil
		}
		if w.path[at] || depth > maxDepth {
			return errCycle
		}
		depth++
		w.path[at] = true
		defer delete(w.path, at)
	}
	return w.walkInside(n, v, depth)
}

func (w gobWalk) walkInside(n *node, v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Pointer:
		return w.walk(n.elem, v.Elem(), depth)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return w.walkElement(gobTypes.of(v.Elem().Type()), v.Elem(), depth)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := w.walkElement(n.elem, v.Index(i), depth); err != nil {
				return err
			}
		}
	case reflect.Map:
		for key, elem := range v.Seq2() {
			if key.Kind() == reflect.Interface && !key.IsNil() && hasPointer(key.Elem().Type()) {
				return errGobKeys(n.typ)
			}
			if err := errors.Join(w.walk(n.fields[0].node, key, depth), w.walkElement(n.elem, elem, depth)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for _, f := range n.fields {
			at := v.FieldByIndex(f.index)
			if isPointerToZero(at) {
				return errZeroPtr
			}
			if err := w.walk(f.node, at, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w gobWalk) walkElement(n *node, v reflect.Value, depth int) error {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return errNilGob
	}
	return w.walk(n, v, depth)
}

// isPointerToZero reports whether v is a pointer to a value that gob leaves out of a struct.
func isPointerToZero(v reflect.Value) bool {
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return false
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	itself := implements(reflect.PointerTo(v.Type()), gobEncoder, binaryMarshaler)
	switch {
	case v.Kind() == reflect.Struct && !itself:
		return false
	case v.Kind() == reflect.Slice && !itself:
		return v.Len() == 0
	}
	return v.IsZero()
}

// checkPromoted returns an error if the method of an embedded field encodes v, and v's other
// fields would be lost.
func checkPromoted(n *node, v reflect.Value) error {
	for _, index := range n.promoted {
		if v.CanInterface() && gobSelfCoding.losesFields(v, index) {
			return fmt.Errorf("Gob would silently lose fields of a %v, because it has the methods of its embedded %v; give the field a name", n.typ, n.typ.FieldByIndex(index).Type)
		}
	}
	return nil
}
