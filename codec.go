package session

import (
	"fmt"
	"strings"

	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/values"
)

// A Codec encodes the values of sessions, each value by itself, for [Config].Codecs. Its methods
// must be safe for concurrent use, and their errors must not contain data.
//
// A session stores the name of its codec, and keeps that codec when Config.Codecs begins with
// another one. JSON and Gob can always be decoded; other codecs have to be in Config.Codecs.
type Codec interface {
	// Name returns the name of the codec, always the same one: 1 to 16 bytes of printable
	// ASCII without spaces. A codec named "json" must encode to JSON, which is checked: a
	// session's data is then one JSON object.
	Name() string

	// Marshal encodes v. If that would lose a part of v, it returns an error. The result is
	// copied.
	Marshal(v any) ([]byte, error)

	// Unmarshal decodes data into the variable to which v points. If data does not fit the type
	// of the variable, it returns an error. It may keep data.
	Unmarshal(data []byte, v any) error
}

var (
	// JSON is the default codec. With it, a session's data is one JSON object, which the tools
	// of the database and other languages can read.
	JSON Codec = values.JSON{}

	// Gob is for types that JSON can't encode: maps with struct keys, complex numbers, and
	// interfaces, whose types need [encoding/gob.Register]. Package encoding/gob is not
	// hardened against hostile data, and may take long to decode it: if others can write to
	// the database, set [Config].Secrets.
	Gob Codec = values.Gob{}
)

// validCodecs returns an error if codecs share a name, or if a name can't be stored.
func validCodecs(codecs []Codec) error {
	seen := map[string]bool{}
	for i, c := range codecs {
		if isnil.Value(c) {
			return fmt.Errorf("codec %d is nil", i)
		}
		name := c.Name()
		odd := func(r rune) bool { return r <= ' ' || r > '~' }
		switch {
		case len(name) == 0 || len(name) > meta.MaxCodecName || strings.ContainsFunc(name, odd):
			return fmt.Errorf("the name of codec %d must be 1 to %d bytes of printable ASCII without spaces", i, meta.MaxCodecName)
		case seen[name]:
			return fmt.Errorf("two codecs have the name %q; give each a name of its own", name)
		}
		seen[name] = true
	}
	return nil
}

// knownCodecs returns all codecs of a factory: the configured ones, of which the first encodes, and
// JSON and Gob.
func knownCodecs(configured []Codec) []Codec {
	if len(configured) == 0 {
		configured = []Codec{JSON}
	}
	known := map[string]bool{}
	var codecs []Codec
	for _, c := range append(configured[:len(configured):len(configured)], values.JSON{}, values.Gob{}) {
		if !known[c.Name()] {
			codecs = append(codecs, values.Guard(c))
		}
		known[c.Name()] = true
	}
	return codecs
}

// codec returns the codec with that name.
func (f *Factory) codec(name string) (Codec, error) {
	for _, c := range f.cfg.Codecs {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: its codec %q is not configured; append it to Config.Codecs", ErrCorrupt, name)
}
