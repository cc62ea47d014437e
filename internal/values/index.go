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
	sizes []int  // in the order of the values; nil if there is no index
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// NewIndex returns the index of data that Join made of values of the named codec. The index is
// zero if the data is small, has many values, or is not JSON: other data gives the size of each
// value, and Split needs no index for it.
func NewIndex(codec string, vs List, data []byte) Index {
	if codec != JSONName || len(data) < indexedSize || len(vs) > maxIndexed {
		return Index{}
	}
	sizes := make([]int, len(vs))
	for i, v := range vs {
		sizes[i] = len(v.Data)
	}
	return Index{crc32.Checksum(data, castagnoli), sizes}
}

// IsZero reports whether there is no index.
func (x Index) IsZero() bool { return x.sizes == nil }

// sizesFor returns the sizes if the index was made for data, and otherwise nil.
func (x Index) sizesFor(data []byte) []int {
	if x.sizes == nil || crc32.Checksum(data, castagnoli) != x.sum {
		return nil
	}
	return x.sizes
}

// AppendTo appends the index as varints: the sum, the number of sizes, the sizes.
func (x Index) AppendTo(b []byte) []byte {
	b = binary.AppendVarint(b, int64(x.sum))
	b = binary.AppendVarint(b, int64(len(x.sizes)))
	for _, size := range x.sizes {
		b = binary.AppendVarint(b, int64(size))
	}
	return b
}

// ParseIndex returns the index that AppendTo has written. It calls next for each varint. If the
// varints do not form an index, the result is zero or fits no data.
func ParseIndex(next func() int64) Index {
	x := Index{sum: uint32(next())}
	count := next()
	if count < 0 || count > maxIndexed {
		return Index{}
	}
	x.sizes = make([]int, count)
	for i := range x.sizes {
		x.sizes[i] = int(next())
	}
	return x
}
