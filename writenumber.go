package session

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// A conditional write draws a random number, and the record keeps the numbers of its
// last writes. A process that got no answer to a write finds its number there, or
// knows that the write has not happened, or, if others have written too often since,
// that it can't know.

// keptWrites is how many numbers a record keeps.
const keptWrites = 4

// writeNumbers holds the numbers of the last writes of a record, the latest at the end.
type writeNumbers struct {
	n       int
	numbers [keptWrites]uint64
}

func newWriteNumber() uint64 { return rand.Uint64() }

// with returns the numbers after another write.
func (ws writeNumbers) with(number uint64) writeNumbers {
	if ws.n == keptWrites {
		copy(ws.numbers[:], ws.numbers[1:])
		ws.n--
	}
	ws.numbers[ws.n] = number
	ws.n++
	return ws
}

func (ws writeNumbers) has(number uint64) bool {
	return slices.Contains(ws.numbers[:ws.n], number)
}

// latest returns the number of the last write; false if there is none, as in records of
// release 0.1.
func (ws writeNumbers) latest() (uint64, bool) {
	if ws.n == 0 {
		return 0, false
	}
	return ws.numbers[ws.n-1], true
}

// tellsSince reports whether ws has the numbers of all writes since a record had the
// numbers before.
func (ws writeNumbers) tellsSince(before writeNumbers) bool {
	latest, known := before.latest()
	return ws.n < keptWrites || known && ws.has(latest)
}

func (ws writeNumbers) appendTo(b []byte) []byte {
	b = append(b, byte(ws.n))
	for _, n := range ws.numbers[:ws.n] {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func parseWriteNumbers(b []byte) (ws writeNumbers, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > keptWrites || len(b)-1 < int(b[0])*8 {
		return writeNumbers{}, b, false
	}
	ws.n, rest = int(b[0]), b[1:]
	for i := range ws.n {
		ws.numbers[i] = binary.BigEndian.Uint64(rest)
		rest = rest[8:]
	}
	return ws, rest, true
}
