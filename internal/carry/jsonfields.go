package carry

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// jsonFields returns the fields of a struct type that encoding/json encodes, and an error if it
// would lose a field. It returns the fields with the error too, because Rounds needs them.
func jsonFields(t reflect.Type, addressable bool) ([]field, error) {
	s := fieldScan{root: t, names: map[string]bool{}, onPath: map[reflect.Type]bool{}}
	err := s.scan(t, nil, addressable)
	if err == nil && len(s.fields) == 0 && t.Size() > 0 {
		err = fmt.Errorf("JSON would silently empty a %v, because it encodes none of the fields; implement json.Marshaler and json.Unmarshaler, or "+encodeFirst, t)
	}
	return s.fields, err
}

// fieldScan collects the fields of a struct and of the structs that it embeds.
type fieldScan struct {
	root   reflect.Type
	fields []field
	names  map[string]bool
	onPath map[reflect.Type]bool // structs that are being scanned
}

// scan scans all fields of t, and returns the first error.
func (s *fieldScan) scan(t reflect.Type, index []int, addressable bool) (err error) {
	if s.onPath[t] {
		return fmt.Errorf("JSON would silently lose fields of a %v, which embeds itself", t)
	}
	s.onPath[t] = true
	defer delete(s.onPath, t)
	for i := range t.NumField() {
		f := t.Field(i)
		f.Index = append(index[:len(index):len(index)], i)
		if f.Tag.Get("json") == "-" {
			continue
		}
		if fault := s.add(t, f, addressable); err == nil {
			err = fault
		}
	}
	return err
}

func (s *fieldScan) add(t reflect.Type, f reflect.StructField, addressable bool) error {
	inner := f.Type
	if inner.Name() == "" && inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	switch isStruct := f.Anonymous && inner.Kind() == reflect.Struct; {
	case f.IsExported():
	case isStruct && inner != f.Type:
		return fmt.Errorf("JSON can't be read back into the field %s of a %v, an embedded pointer to a type that is not exported; %s", f.Name, t, mendField)
	case !isStruct && holdsNothing(f):
		return nil
	case !isStruct:
		return fmt.Errorf("JSON would silently lose the field %s of a %v, which is not exported; %s", f.Name, t, mendField)
	}
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !isJSONName(name) {
		name = ""
	}
	if name == "" && f.Anonymous && inner.Kind() == reflect.Struct {
		return s.scan(inner, f.Index, addressable || inner != f.Type)
	}
	if name == "" {
		name = f.Name
	}
	if s.names[name] {
		return fmt.Errorf("JSON would silently lose a field of a %v, because two have the name %q; give each a name of its own", s.root, name)
	}
	s.names[name] = true
	return s.append(t, f, inner, options, addressable)
}

const (
	mendField   = `export it, tag it json:"-" if it need not be stored, or ` + encodeFirst
	encodeFirst = `encode the value and store it as a json.RawMessage, which can be read as the type`
)

func (s *fieldScan) append(t reflect.Type, f reflect.StructField, inner reflect.Type, options string, addressable bool) error {
	n := jsonTypes.get(f.Type, addressable)
	s.fields = append(s.fields, field{f.Index, n})
	encodes, _ := encodesJSON(inner, true)
	codesItself := encodes || decodesJSON(inner)
	switch {
	case n.err != nil:
		return n.err
	case codesItself && isQuotable(inner) && hasOption(options, "string"):
		return fmt.Errorf("JSON can't be read back into the field %s of a %v, which has both the option \"string\" and methods of its own; remove the option", f.Name, t)
	case codesItself && !f.IsExported():
		return errors.New("JSON can't be made of an embedded type that is not exported and has methods of its own; " + mendField)
	}
	return nil
}

func hasOption(options, option string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == option {
			return true
		}
	}
	return false
}

// isQuotable reports whether the option "string" has an effect on fields of type t.
func isQuotable(t reflect.Type) bool {
	return reflect.Bool <= t.Kind() && t.Kind() <= reflect.Float64 || t.Kind() == reflect.String
}

// isJSONName reports whether encoding/json accepts name in a tag.
func isJSONName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}
