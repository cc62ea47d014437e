package driver

import (
	"encoding/binary"
	"fmt"
	"time"
)

// envelopeV1 begins every envelope. The high bit keeps it apart from text: a
// value written by something else is ErrCorrupt, not a garbled record.
const envelopeV1 = 0x81

// AppendEnvelope appends the encoding of r to b and returns the result. It is
// for stores that keep a whole record in one value under its key: everything is
// in it but Key itself. The overhead over Data, Meta and Subject is at most 33
// bytes, commonly 23. Times are kept in whole milliseconds.
//
// Version 1 is the byte 0x81; Version as 8 bytes, big-endian; Created and
// Expires as signed varints of Unix milliseconds; Subject, Meta and Data, the
// first two preceded by their length as an unsigned varint, Data up to the end.
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

// ParseEnvelope returns the record that [AppendEnvelope] encoded, with its Key
// set to key. The error for anything else matches [ErrCorrupt]. Data and Meta of
// the record alias b: a store that keeps b clones it first.
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

// parser reads the fields of an envelope from the front of rest. Once bad, it
// returns zero values, so that errors are looked at once, at the end.
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

// skip drops a varint of n bytes; n is not positive if there was none.
func (p *parser) skip(n int) {
	if n <= 0 || p.bad {
		p.bad = true
		return
	}
	p.rest = p.rest[n:]
}
