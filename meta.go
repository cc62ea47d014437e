package session

import (
	"encoding/binary"
	"fmt"
	"time"
)

// meta is what this package keeps in a record beside the values: never among
// them, where clearing the values would drop it.
type meta struct {
	start time.Time     // when Lifetime began
	seen  time.Time     // when a write last moved the expiry
	idle  time.Duration // Idle as it was then
	own   *Timeouts     // of SetTimeouts; nil if it was not called
	label string        // of SetLabel
	codec string        // the Name of the codec of the values
	index index         // of the values, if there is one
}

// lastSeen is when the session was last used, as far as was stored: Touch moves
// nothing but the expiry.
func (m meta) lastSeen(expires time.Time) time.Time {
	if touched := expires.Add(-m.idle); touched.After(m.seen) {
		return touched
	}
	return m.seen
}

const (
	metaV1 = 1 // the first byte

	metaOwn        = 1 << 0 // flags, the second byte
	metaPersistent = 1 << 1
	metaLabel      = 1 << 2
	metaIndex      = 1 << 3
)

// encode returns the version, the flags, and as varints: start and seen in Unix
// milliseconds, idle and, if there are any, the session's own Idle and Lifetime
// in nanoseconds; the label, if there is one, behind its length; the index, if
// there is one; then the codec's name.
func (m meta) encode() []byte {
	b := make([]byte, 2, 40)
	b[0] = metaV1
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
	return append(b, m.codec...)
}

func parseMeta(b []byte) (meta, error) {
	if len(b) < 2 || b[0] != metaV1 || b[1]&^(metaOwn|metaPersistent|metaLabel|metaIndex) != 0 {
		return meta{}, fmt.Errorf("%w: unknown version of its metadata", ErrCorrupt)
	}
	flags, rest, ok := b[1], b[2:], true
	next := func() int64 {
		v, n := binary.Varint(rest)
		if n <= 0 {
			ok = false
			return 0
		}
		rest = rest[n:]
		return v
	}
	m := meta{
		start: time.UnixMilli(next()).UTC(),
		seen:  time.UnixMilli(next()).UTC(),
		idle:  time.Duration(next()),
	}
	if flags&metaOwn != 0 {
		m.own = &Timeouts{
			Idle:       time.Duration(next()),
			Lifetime:   time.Duration(next()),
			Persistent: flags&metaPersistent != 0,
		}
	}
	if flags&metaLabel != 0 {
		size := next()
		if size < 1 || size > int64(len(rest)) {
			return meta{}, errMetaCut
		}
		m.label, rest = string(rest[:size]), rest[size:]
	}
	if flags&metaIndex != 0 {
		m.index = parseIndex(next)
	}
	if !ok || len(rest) > maxCodecName {
		return meta{}, errMetaCut
	}
	if m.codec = jsonName; string(rest) != jsonName { // which need not be copied
		m.codec = string(rest)
	}
	return m, nil
}

var errMetaCut = fmt.Errorf("%w: its metadata is cut off", ErrCorrupt)
