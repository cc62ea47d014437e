package session

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A Codec encodes values one by one, for [Config.Codec]. Its methods are called
// from many goroutines. Their errors contain no data.
//
// The name of the codec is stored with each session, which goes on with the codec
// that it began with: a codec can be exchanged while there are sessions. JSON and
// Gob are always known, others must be configured to be read.
type Codec interface {
	// Name is 1 to 16 bytes. The values of a codec named "json" must be JSON:
	// a session's data is then one JSON object.
	Name() string

	// Marshal encodes v. It fails for what it would lose.
	Marshal(v any) ([]byte, error)

	// Unmarshal decodes data into what the pointer v points to. It fails if the
	// types do not fit.
	Unmarshal(data []byte, v any) error
}

const maxCodecName = 16 // bytes

var (
	// JSON is the default codec. A session's data is one plain JSON object,
	// readable with the tools of the database and from other languages.
	JSON Codec = jsonCodec{}

	// Gob is for types that JSON can't carry: maps with struct keys, complex
	// numbers, interfaces (whose types need [gob.Register]). Package encoding/gob
	// is not made for hostile data, and can be kept busy by it for long: where
	// others can write to the database, set [Config].Keys.
	Gob Codec = gobCodec{}
)

type gobCodec struct{}

func (gobCodec) Name() string { return "gob" }

func (gobCodec) Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func (gobCodec) Unmarshal(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// joinValues returns a record's data: the values in one piece, in the order of
// their keys. For JSON that is an object; for others, each key and each value
// behind its length.
func joinValues(c Codec, values map[string][]byte) ([]byte, error) {
	keys := slices.Sorted(maps.Keys(values))
	if c.Name() == JSON.Name() {
		return joinJSON(keys, values)
	}
	var b []byte
	for _, key := range keys {
		b = binary.AppendUvarint(b, uint64(len(key)))
		b = append(b, key...)
		b = binary.AppendUvarint(b, uint64(len(values[key])))
		b = append(b, values[key]...)
	}
	return b, nil
}

func joinJSON(keys []string, values map[string][]byte) ([]byte, error) {
	size := 2
	for _, key := range keys {
		size += len(key) + len(values[key]) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), values[key]...)
	}
	return append(b, '}'), nil
}

// splitValues undoes joinValues. The values alias nothing of data.
func splitValues(c Codec, data []byte) (map[string][]byte, error) {
	split := splitPairs
	if c.Name() == JSON.Name() {
		split = splitJSON
	}
	values, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("%w: its data is no set of %s values", ErrCorrupt, c.Name())
	}
	return values, nil
}

func splitJSON(data []byte) (map[string][]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("null")
	}
	values := make(map[string][]byte, len(members))
	for key, value := range members {
		values[key] = value
	}
	return values, nil
}

func splitPairs(data []byte) (map[string][]byte, error) {
	rest := bytes.Clone(data)
	cut := func() ([]byte, error) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, errors.New("cut off")
		}
		field := rest[n:][:size:size]
		rest = rest[n:][size:]
		return field, nil
	}
	values := map[string][]byte{}
	for len(rest) > 0 {
		key, err := cut()
		if err != nil {
			return nil, err
		}
		if values[string(key)], err = cut(); err != nil {
			return nil, err
		}
	}
	return values, nil
}
