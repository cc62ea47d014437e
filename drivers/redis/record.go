package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"gosession.dev/session/driver"
)

// The value of a record. Numbers are big-endian, and times are in Unix milliseconds:
//
//	offset  bytes
//	0       1   0x91
//	1       8   version
//	9       8   expires
//	17      8   created
//	25      1   length of the key
//	26      n   key
//	        1   length of the subject
//	        n   subject
//	        2   length of meta
//	        n   meta
//	        n   data, to the end
//
// The value of a mark is 0x92 and the new key. Any other value is corrupt. The scripts read both.
const (
	isRecord = 0x91
	isMark   = 0x92

	fixed    = 26        // bytes before the key
	maxValue = 512 << 20 // the longest string of Redis
)

var errMisuse = errors.New("redis: the record has a key of more than 64 bytes, a subject of more than 255 or meta of 1 KB or more")

// encode returns the value of r with the given version.
func encode(r *driver.Record, version uint64) (string, error) {
	if len(r.Key) > 64 || len(r.Subject) > 255 || len(r.Meta) >= 1<<16 {
		return "", errMisuse
	}
	size := fixed + len(r.Key) + 1 + len(r.Subject) + 2 + len(r.Meta) + len(r.Data)
	if size > maxValue {
		return "", fmt.Errorf("%w: it has %d bytes, and a value of Redis has at most %d", driver.ErrTooLarge, size, maxValue)
	}
	b := make([]byte, 0, size)
	b = append(b, isRecord)
	b = binary.BigEndian.AppendUint64(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Expires.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Created.UnixMilli()))
	b = append(b, byte(len(r.Key)))
	b = append(b, r.Key...)
	b = append(b, byte(len(r.Subject)))
	b = append(b, r.Subject...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Meta)))
	b = append(b, r.Meta...)
	return text(append(b, r.Data...)), nil
}

// parse returns the record in value, which is the value under key and belongs to the record from
// then on. A mark is ErrNotFound, and a record of another key is errOtherKey.
func parse(key string, value []byte) (*driver.Record, error) {
	if len(value) > 1 && value[0] == isMark {
		return nil, driver.ErrNotFound
	}
	if len(value) < fixed || value[0] != isRecord {
		return nil, driver.ErrCorrupt
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(value[at:]) }
	r := &driver.Record{
		Version: number(1),
		Expires: time.UnixMilli(int64(number(9))).UTC(),
		Created: time.UnixMilli(int64(number(17))).UTC(),
	}
	own, rest, ok := cut(value[fixed:], int(value[25]))
	if !ok || len(rest) == 0 {
		return nil, driver.ErrCorrupt
	}
	subject, rest, ok := cut(rest[1:], int(rest[0]))
	if !ok || len(rest) < 2 {
		return nil, driver.ErrCorrupt
	}
	meta, data, ok := cut(rest[2:], int(binary.BigEndian.Uint16(rest)))
	switch {
	case !ok:
		return nil, driver.ErrCorrupt
	case string(own) != key:
		return nil, errOtherKey
	}
	r.Key, r.Subject = key, string(subject)
	r.Meta, r.Data = meta, data
	return r, nil
}

// cut returns the first n bytes of b, and the others.
func cut(b []byte, n int) (first, rest []byte, ok bool) {
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n:n], b[n:len(b):len(b)], true
}

// mark returns the value of a mark that leads to key.
func mark(key string) string { return string([]byte{isMark}) + key }

// newVersion returns the version of a record that is about to be written. It is random, so that a
// write whose answer was lost can be recognized, and a key that is destroyed and created again
// repeats no version.
func newVersion() uint64 { return rand.Uint64N(1<<62) + 1 }

// eight returns the 8 bytes of a number. The version 0 is "", which matches no record.
func eight(n uint64) string {
	if n == 0 {
		return ""
	}
	return text(binary.BigEndian.AppendUint64(nil, n))
}

// until returns the argument of PXAT for a record that expires at that time. Redis finds a key as
// long as its clock is not past the time of PXAT, and the record is absent from expires on.
func until(expires time.Time) string { return strconv.FormatInt(expires.UnixMilli()-1, 10) }
