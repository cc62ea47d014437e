package driver

import (
	"encoding/binary"
	"fmt"
	"time"
)

// envelopeV1 is the first byte of every envelope. No ASCII text begins with it: a text
// that another program has written is ErrCorrupt, and not a garbled record.
const envelopeV1 = 0x81

// AppendEnvelope appends the encoding of r to b and returns the result. It is for stores
// that keep a whole record in one value under its key: the encoding has all fields but
// Key. It is at most 33 bytes longer than Data, Meta and Subject together, commonly 23.
// Times are kept in whole milliseconds.
//
// The encoding, version 1, is the byte 0x81; Version as 8 bytes, big-endian; Created and
// Expires as signed varints of Unix milliseconds; Subject and Meta, each preceded by its
// length as an unsigned varint; and Data up to the end.
func AppendEnvelope(b []byte, r *Record) []byte {
	b = append(b, envelopeV1)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.AppendVarint(b, r.Created.UnixMilli())
	b = binary.AppendVarint(b, r.Expires.UnixMilli())
	b = binary.AppendUvarint(b, uint64(len(r.Subject)))
	b = append(b, r.Subject...)
	b = binary.AppendUvarint(b, uint64(len(r.Meta)))
	b = append(b, r.Meta...)
	return append(b, r.Data...)
}

// ParseEnvelope returns the record that [AppendEnvelope] encoded, with its Key set to
// key. If b is not such an encoding, the error matches [ErrCorrupt]. Data and Meta of the
// record alias b. If b belongs to the store or its client library, pass a clone of it.
func ParseEnvelope(key string, b []byte) (*Record, error) {
	if len(b) < 9 || b[0] != envelopeV1 {
		return nil, fmt.Errorf("%w: not an envelope of version 1", ErrCorrupt)
	}
	p := parser{rest: b[9:]}
	r := &Record{
		Key:     key,
		Version: binary.BigEndian.Uint64(b[1:9]),
		Created: p.time(),
		Expires: p.time(),
		Subject: string(p.bytes()),
		Meta:    p.bytes(),
	}
	r.Data = p.rest
	if p.bad {
		return nil, fmt.Errorf("%w: the envelope is cut off", ErrCorrupt)
	}
	return r, nil
}

// parser reads the fields of an envelope from the front of rest. Once bad is set, the
// values that it returns mean nothing, so that ParseEnvelope checks bad once, at the end.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) time() time.Time {
	ms, n := binary.Varint(p.rest)
	p.skip(n)
	return time.UnixMilli(ms).UTC()
}

func (p *parser) bytes() []byte {
	size, n := binary.Uvarint(p.rest)
	p.skip(n)
	if p.bad || size > uint64(len(p.rest)) {
		p.bad = true
		return nil
	}
	field := p.rest[:size:size]
	p.rest = p.rest[size:]
	return field
}

// skip drops a varint of n bytes. If n is not positive, there was none.
func (p *parser) skip(n int) {
	if n <= 0 || p.bad {
		p.bad = true
		return
	}
	p.rest = p.rest[n:]
}
