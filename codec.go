package session

import (
	"bytes"
	"encoding/gob"
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
