package meta

import (
	"encoding/binary"
	"fmt"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/values"
	"gosession.dev/session/internal/writenumber"
)

// The first byte is the version. Release 0.1 wrote version 1.
const (
	version1 = 1
	version2 = 2
)

// The second byte has a flag for each optional part.
const (
	hasOwn = 1 << iota
	isPersistent
	hasLabel
	hasIndex
	hasSignedIn // version 2 only
	hasSent     // version 2 only

	flagsOfVersion1 = hasSignedIn - 1
	flagsOfVersion2 = hasSent<<1 - 1
)

// Encode returns the metadata as records store it: the version, the flags and the handle;
// Start and Seen, in Unix milliseconds, and Idle, in nanoseconds; the session's own Idle
// and Lifetime; the length of the label and the label; the index; SignedIn and Sent; the count
// of the write numbers and the write numbers; the name of the codec. Numbers are varints, except
// for write numbers.
func (m Meta) Encode() []byte {
	b := make([]byte, 2, 112)
	b[0] = version2
	b = append(b, m.Handle[:]...)
	b = binary.AppendVarint(b, m.Start.UnixMilli())
	b = binary.AppendVarint(b, m.Seen.UnixMilli())
	b = binary.AppendVarint(b, int64(m.Idle))
	if m.Own != nil {
		b[1] |= hasOwn
		if m.Own.Persistent {
			b[1] |= isPersistent
		}
		b = binary.AppendVarint(b, int64(m.Own.Idle))
		b = binary.AppendVarint(b, int64(m.Own.Lifetime))
	}
	if m.Label != "" {
		b[1] |= hasLabel
		b = binary.AppendVarint(b, int64(len(m.Label)))
		b = append(b, m.Label...)
	}
	if !m.Index.IsZero() {
		b[1] |= hasIndex
		b = m.Index.AppendTo(b)
	}
	if !m.SignedIn.IsZero() {
		b[1] |= hasSignedIn
		b = binary.AppendVarint(b, m.SignedIn.UnixMilli())
	}
	if !m.Sent.IsZero() {
		b[1] |= hasSent
		b = binary.AppendVarint(b, m.Sent.UnixMilli())
	}
	b = m.Writes.AppendTo(b)
	return append(b, m.Codec...)
}

// decode returns the metadata that Encode, of this release or of release 0.1, has encoded.
// Version 1 has no handle, no time of sign-in and no write numbers.
func decode(b []byte) (Meta, error) {
	p := parser{ok: true}
	var m Meta
	switch {
	case len(b) >= 2 && b[0] == version1 && b[1]&^flagsOfVersion1 == 0:
		p.rest = b[2:]
	case len(b) >= 2+len(m.Handle) && b[0] == version2 && b[1]&^flagsOfVersion2 == 0:
		p.rest = b[2+copy(m.Handle[:], b[2:]):]
	default:
		return Meta{}, fmt.Errorf("%w: its metadata has an unknown version", driver.ErrCorrupt)
	}
	version, flags := b[0], b[1]
	m.Start, m.Seen, m.Idle = p.time(), p.time(), p.duration()
	if flags&hasOwn != 0 {
		m.Own = &Timeouts{Idle: p.duration(), Lifetime: p.duration(), Persistent: flags&isPersistent != 0}
	}
	if flags&hasLabel != 0 {
		m.Label = p.text()
	}
	if flags&hasIndex != 0 {
		m.Index = p.index()
	}
	if flags&hasSignedIn != 0 {
		m.SignedIn = p.time()
	}
	if flags&hasSent != 0 {
		m.Sent = p.time()
	}
	if version == version2 {
		m.Writes = p.writes()
	}
	if !p.ok || len(p.rest) > MaxCodecName {
		return Meta{}, fmt.Errorf("%w: its metadata is cut off", driver.ErrCorrupt)
	}
	if m.Codec = values.JSONName; string(p.rest) != values.JSONName { // the usual name is not copied
		m.Codec = string(p.rest)
	}
	return m, nil
}

// parser reads the parts of metadata from the front of rest. After a part that is cut off or
// malformed, ok is false, and the caller discards what was read.
type parser struct {
	rest []byte
	ok   bool
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.rest)
	if n <= 0 {
		p.ok = false
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) time() time.Time         { return time.UnixMilli(p.varint()).UTC() }
func (p *parser) duration() time.Duration { return time.Duration(p.varint()) }

// text reads the length of a text and the text, which is not empty: Encode leaves empty texts out.
func (p *parser) text() string {
	size := p.varint()
	if size < 1 || size > int64(len(p.rest)) {
		p.ok = false
		return ""
	}
	text := string(p.rest[:size])
	p.rest = p.rest[size:]
	return text
}

func (p *parser) index() values.Index {
	x, rest, ok := values.ParseIndex(p.rest)
	p.rest, p.ok = rest, p.ok && ok
	return x
}

func (p *parser) writes() writenumber.Last {
	ws, rest, ok := writenumber.Parse(p.rest)
	p.rest, p.ok = rest, p.ok && ok
	return ws
}
