package session

import (
	"encoding/binary"
	"fmt"
	"time"
)

// meta is what this package keeps in a record beside the values: never among
// them, where clearing the values would drop it.
type meta struct {
	handle   handle
	start    time.Time     // when Lifetime began
	signedIn time.Time     // of the last sign-in; zero without a subject
	seen     time.Time     // when a write last moved the expiry
	idle     time.Duration // Idle as it was then
	own      *Timeouts     // of SetTimeouts; nil if it was not called
	label    string        // of SetLabel
	codec    string        // the Name of the codec of the values
	index    index         // of the values, if there is one
	writes   writeNumbers
}

// lastSeen is when the session was last used, as far as was stored: Touch moves
// nothing but the expiry.
func (m meta) lastSeen(expires time.Time) time.Time {
	if touched := expires.Add(-m.idle); touched.After(m.seen) {
		return touched
	}
	return m.seen
}

// The first byte. Version 1 is that of release 0.1.
const (
	metaV1 = 1
	metaV2 = 2
)

// Flags, the second byte.
const (
	metaOwn = 1 << iota
	metaPersistent
	metaLabel
	metaIndex
	metaSignedIn // version 2 only, as are handle and write numbers

	metaFlagsV1 = metaSignedIn - 1
	metaFlagsV2 = metaSignedIn<<1 - 1
)

// encode returns the version, the flags, and the handle; as varints start and seen in
// Unix milliseconds, idle and, if there are any, the session's own Idle and Lifetime
// in nanoseconds; the label, if there is one, behind its length; the index, if there is
// one; the time of the sign-in, if there was one; the write numbers behind their count;
// then the codec's name.
func (m meta) encode() []byte {
	b := make([]byte, 2, 112)
	b[0] = metaV2
	b = append(b, m.handle[:]...)
	b = binary.AppendVarint(b, m.start.UnixMilli())
	b = binary.AppendVarint(b, m.seen.UnixMilli())
	b = binary.AppendVarint(b, int64(m.idle))
	if m.own != nil {
		b[1] |= metaOwn
		if m.own.Persistent {
			b[1] |= metaPersistent
		}
		b = binary.AppendVarint(b, int64(m.own.Idle))
		b = binary.AppendVarint(b, int64(m.own.Lifetime))
	}
	if m.label != "" {
		b[1] |= metaLabel
		b = binary.AppendVarint(b, int64(len(m.label)))
		b = append(b, m.label...)
	}
	if m.index.sizes != nil {
		b[1] |= metaIndex
		b = m.index.appendTo(b)
	}
	if !m.signedIn.IsZero() {
		b[1] |= metaSignedIn
		b = binary.AppendVarint(b, m.signedIn.UnixMilli())
	}
	b = m.writes.appendTo(b)
	return append(b, m.codec...)
}

// parseMeta undoes encode. Meta of version 1 has no handle, no time of sign-in and no
// write numbers; decode makes up for them.
func parseMeta(b []byte) (meta, error) {
	p := metaParser{ok: true}
	var m meta
	switch {
	case len(b) >= 2 && b[0] == metaV1 && b[1]&^metaFlagsV1 == 0:
		p.rest = b[2:]
	case len(b) >= 2+len(m.handle) && b[0] == metaV2 && b[1]&^metaFlagsV2 == 0:
		p.rest = b[2+copy(m.handle[:], b[2:]):]
	default:
		return meta{}, fmt.Errorf("%w: unknown version of its metadata", ErrCorrupt)
	}
	version, flags := b[0], b[1]
	m.start, m.seen, m.idle = p.time(), p.time(), p.duration()
	if flags&metaOwn != 0 {
		m.own = &Timeouts{Idle: p.duration(), Lifetime: p.duration(), Persistent: flags&metaPersistent != 0}
	}
	if flags&metaLabel != 0 {
		m.label = p.text()
	}
	if flags&metaIndex != 0 {
		m.index = parseIndex(p.varint)
	}
	if flags&metaSignedIn != 0 {
		m.signedIn = p.time()
	}
	if version == metaV2 {
		m.writes = p.writeNumbers()
	}
	if !p.ok || len(p.rest) > maxCodecName {
		return meta{}, fmt.Errorf("%w: its metadata is cut off", ErrCorrupt)
	}
	if m.codec = jsonName; string(p.rest) != jsonName { // which need not be copied
		m.codec = string(p.rest)
	}
	return m, nil
}

// metaParser reads the fields of metadata from the front of rest. Once not ok, it
// returns zero values.
type metaParser struct {
	rest []byte
	ok   bool
}

func (p *metaParser) varint() int64 {
	v, n := binary.Varint(p.rest)
	if n <= 0 {
		p.ok = false
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *metaParser) time() time.Time         { return time.UnixMilli(p.varint()).UTC() }
func (p *metaParser) duration() time.Duration { return time.Duration(p.varint()) }

// text reads a text, which is not empty, behind its length.
func (p *metaParser) text() string {
	size := p.varint()
	if size < 1 || size > int64(len(p.rest)) {
		p.ok = false
		return ""
	}
	text := string(p.rest[:size])
	p.rest = p.rest[size:]
	return text
}

func (p *metaParser) writeNumbers() writeNumbers {
	ns, rest, ok := parseWriteNumbers(p.rest)
	p.rest, p.ok = rest, p.ok && ok
	return ns
}
