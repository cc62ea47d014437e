package mongo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDepth is the limit for the nesting of values. MongoDB's own limit is 100.
const maxDepth = 90

// fromJSON returns the document for a JSON object. It reports false if data is not an object, or if
// appendJSON would not return data byte for byte, so that a document never loses anything.
func fromJSON(data []byte) (bson.Raw, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	object, err := readValue(dec, 0)
	if err != nil {
		return nil, false
	}
	d, ok := object.(bson.D)
	if !ok {
		return nil, false
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, false
	}
	back, err := appendJSON(make([]byte, 0, len(data)), raw)
	return raw, err == nil && bytes.Equal(back, data)
}

var errNoDocument = errors.New("a document cannot hold the value")

func readValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		switch {
		case depth > maxDepth:
			return nil, errNoDocument
		case token == '{':
			return readObject(dec, depth)
		}
		return readArray(dec, depth)
	case json.Number:
		return number(token.String())
	default: // a string, a bool or nil
		return token, nil
	}
}

func readObject(dec *json.Decoder, depth int) (bson.D, error) {
	d := bson.D{}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string)
		if seen[name] {
			return nil, errNoDocument
		}
		seen[name] = true
		value, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		d = append(d, bson.E{Key: escapeName(name), Value: value})
	}
	_, err := dec.Token()
	return d, err
}

func readArray(dec *json.Decoder, depth int) (bson.A, error) {
	a := bson.A{}
	for dec.More() {
		value, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		a = append(a, value)
	}
	_, err := dec.Token()
	return a, err
}

// number returns the int64 or float64 whose JSON is text. It does not use Decimal128, which not all
// servers have.
func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return n, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if back, err := json.Marshal(f); err == nil && string(back) == text {
			return f, nil
		}
	}
	return nil, errNoDocument
}

// nameEscaper escapes characters that have a meaning in queries, and NUL, which ends a name in BSON.
var (
	nameEscaper   = strings.NewReplacer("%", "%25", ".", "%2E", "\x00", "%00")
	nameUnescaper = strings.NewReplacer("%25", "%", "%2E", ".", "%00", "\x00", "%24", "$")
)

func escapeName(name string) string {
	if name == "" {
		return "%"
	}
	name = nameEscaper.Replace(name)
	if rest, ok := strings.CutPrefix(name, "$"); ok {
		return "%24" + rest
	}
	return name
}

func unescapeName(name string) string {
	if name == "%" {
		return ""
	}
	return nameUnescaper.Replace(name)
}

// appendJSON appends a document as a JSON object.
func appendJSON(b []byte, document bson.Raw) ([]byte, error) {
	return appendElements(b, document, '{', '}')
}

// errMalformed: the document, or one inside of it, is not BSON.
var errMalformed = errors.New("its document is malformed")

func appendElements(b []byte, document bson.Raw, begin, end byte) ([]byte, error) {
	elements, err := document.Elements()
	if err != nil {
		return nil, errMalformed
	}
	b = append(b, begin)
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		if begin == '{' {
			if b, err = appendMarshalled(b, unescapeName(e.Key())); err != nil {
				return nil, err
			}
			b = append(b, ':')
		}
		if b, err = appendValue(b, e.Value()); err != nil {
			return nil, err
		}
	}
	return append(b, end), nil
}

func appendValue(b []byte, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		if d, ok := v.DocumentOK(); ok {
			return appendElements(b, d, '{', '}')
		}
	case bson.TypeArray:
		if a, ok := v.ArrayOK(); ok {
			return appendElements(b, bson.Raw(a), '[', ']')
		}
	case bson.TypeString:
		if text, ok := v.StringValueOK(); ok {
			return appendMarshalled(b, text)
		}
	case bson.TypeInt32:
		if n, ok := v.Int32OK(); ok {
			return strconv.AppendInt(b, int64(n), 10), nil
		}
	case bson.TypeInt64:
		if n, ok := v.Int64OK(); ok {
			return strconv.AppendInt(b, n, 10), nil
		}
	case bson.TypeDouble:
		if f, ok := v.DoubleOK(); ok {
			return appendMarshalled(b, f)
		}
	case bson.TypeBoolean:
		if yes, ok := v.BooleanOK(); ok {
			return strconv.AppendBool(b, yes), nil
		}
	case bson.TypeNull:
		return append(b, "null"...), nil
	default:
		return nil, errors.New("its document has a " + v.Type.String() + ", which is not JSON")
	}
	return nil, errMalformed
}

// appendMarshalled appends v, encoded as package session's JSON codec encodes it.
func appendMarshalled(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}
