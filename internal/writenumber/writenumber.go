// Package writenumber tells whether a write that got no answer took effect. Each conditional
// write has a random number, and the record keeps the numbers of its last four writes. A
// process that got no answer reads the record again. If its number is there, the write took
// effect. If it is not, the write did not, provided that the numbers reach back to the record
// that it wanted to replace; otherwise the outcome is unknown.
package writenumber

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// kept is how many numbers a record keeps.
const kept = 4

// Last holds the numbers of the last writes of a record, the latest last. It is a value: no
// method changes it.
type Last struct {
	n       int
	numbers [kept]uint64
}

// New returns a random number for a write.
func New() uint64 { return rand.Uint64() }

// With returns the numbers after another write, without the oldest one if there are too many.
func (l Last) With(number uint64) Last {
	if l.n == kept {
		copy(l.numbers[:], l.numbers[1:])
		l.n--
	}
	l.numbers[l.n] = number
	l.n++
	return l
}

// Has reports whether number is among the numbers.
func (l Last) Has(number uint64) bool {
	return slices.Contains(l.numbers[:l.n], number)
}

// latest returns the number of the last write, and false if there is none, as in records of
// release 0.1.
func (l Last) latest() (uint64, bool) {
	if l.n == 0 {
		return 0, false
	}
	return l.numbers[l.n-1], true
}

// TellsSince reports whether l contains the numbers of all writes since the record had the
// numbers before.
func (l Last) TellsSince(before Last) bool {
	latest, known := before.latest()
	return l.n < kept || known && l.Has(latest)
}

// AppendTo appends the numbers to b: their count in one byte, and each in eight, big-endian.
func (l Last) AppendTo(b []byte) []byte {
	b = append(b, byte(l.n))
	for _, n := range l.numbers[:l.n] {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// Parse reads the numbers at the front of b and returns them and the rest of b. If b does not
// begin with numbers, it returns b and false.
func Parse(b []byte) (l Last, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > kept || len(b)-1 < int(b[0])*8 {
		return Last{}, b, false
	}
	l.n, rest = int(b[0]), b[1:]
	for i := range l.n {
		l.numbers[i] = binary.BigEndian.Uint64(rest)
		rest = rest[8:]
	}
	return l, rest, true
}
