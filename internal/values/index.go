package values

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	indexedSize = 1 << 8 // bytes; less data has no index
	maxIndexed  = 100    // values; more have no index, because metadata is under 1 KB
)

// An Index holds the sizes of the values in a record's JSON data. With it Split finds the values
// without parsing every byte, which for large data takes longer than the rest of a request. The
// index contains a checksum of the data. Split ignores the index if the data has changed since,
// for example by an edit with the tools of the database.
//
// The index is stored in the metadata. Sealed sessions have none, because it would show the
// sizes of the sealed values.
type Index struct {
	sum   uint32 // CRC-32C of the data
	count int    // the number of sizes
	sizes []byte // varints, in the order of the values; nil if there is no index
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// NewIndex returns the index of data that Join made of values of the named codec. The index is
// zero if the data is small, has many values, or is not JSON: other data gives the size of each
// value, and Split needs no index for it.
func NewIndex(codec string, vs List, data []byte) Index {
	if codec != JSONName || len(data) < indexedSize || len(vs) > maxIndexed {
		return Index{}
	}
	sizes := make([]byte, 0, 2*len(vs))
	for _, v := range vs {
		sizes = binary.AppendVarint(sizes, int64(len(v.Data)))
	}
	return Index{crc32.Checksum(data, castagnoli), len(vs), sizes}
}

// IsZero reports whether there is no index.
func (x Index) IsZero() bool { return x.sizes == nil }

// isFor reports whether the index was made for data.
func (x Index) isFor(data []byte) bool {
	return x.sizes != nil && crc32.Checksum(data, castagnoli) == x.sum
}

// next returns the next size, which it removes, or 0 if there is none.
func (x *Index) next() int {
	size, n := binary.Varint(x.sizes)
	x.sizes = x.sizes[max(n, 0):]
	return int(size)
}

// AppendTo appends the index as varints: the sum, the number of sizes, the sizes.
func (x Index) AppendTo(b []byte) []byte {
	b = binary.AppendVarint(b, int64(x.sum))
	b = binary.AppendVarint(b, int64(x.count))
	return append(b, x.sizes...)
}

// ParseIndex cuts an index that AppendTo has written off the front of b, with which it shares
// memory. If b does not begin with one, ok is false.
func ParseIndex(b []byte) (x Index, rest []byte, ok bool) {
	cut := func() int64 {
		v, n := binary.Varint(b)
		ok = ok && n > 0
		b = b[max(n, 0):]
		return v
	}
	ok = true
	x.sum = uint32(cut())
	count := cut()
	if !ok || count < 0 || count > maxIndexed {
		return Index{}, nil, false
	}
	sizes := b
	for range count {
		cut()
	}
	x.count, x.sizes = int(count), sizes[:len(sizes)-len(b):len(sizes)-len(b)]
	return x, b, ok
}
