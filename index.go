package session

import (
	"encoding/binary"
	"hash/crc32"
)

// To take a large session apart takes longer than all else that a request does with
// it, and of one that is not small, it is a good part. So its metadata says how long
// its values are. That counts only for the data for which it was said: who edits a
// session with the tools of the database is not misread.
//
// Sealed sessions have no index, for it would tell something of what is sealed.

const (
	// indexedSize is from how many bytes of data on there is an index.
	indexedSize = 1 << 8

	// maxIndexed is how many values it is about at most; a record's metadata
	// has to stay under 1 KB.
	maxIndexed = 100
)

// index says how long the values of a session are, in the order of their keys.
type index struct {
	sum   uint32 // of the data, CRC-32C
	sizes []int  // nil if there is no index
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newIndex(vs encodedValues, data []byte) index {
	if len(data) < indexedSize || len(vs) > maxIndexed {
		return index{}
	}
	sizes := make([]int, len(vs))
	for i, v := range vs {
		sizes[i] = len(v.data)
	}
	return index{crc32.Checksum(data, castagnoli), sizes}
}

// sizesFor returns the sizes if they are those of data, and otherwise nil.
func (x index) sizesFor(data []byte) []int {
	if x.sizes == nil || crc32.Checksum(data, castagnoli) != x.sum {
		return nil
	}
	return x.sizes
}

// appendTo appends the index as varints: the sum, the number of sizes, the sizes.
func (x index) appendTo(b []byte) []byte {
	b = binary.AppendVarint(b, int64(x.sum))
	b = binary.AppendVarint(b, int64(len(x.sizes)))
	for _, size := range x.sizes {
		b = binary.AppendVarint(b, int64(size))
	}
	return b
}

// parseIndex undoes appendTo; next reads the varints. What is no index is one that
// fits nothing.
func parseIndex(next func() int64) index {
	x := index{sum: uint32(next())}
	count := next()
	if count < 0 || count > maxIndexed {
		return index{}
	}
	x.sizes = make([]int, count)
	for i := range x.sizes {
		x.sizes[i] = int(next())
	}
	return x
}

// withoutIndex returns the metadata of a record that is going to be sealed.
func withoutIndex(encoded []byte) ([]byte, error) {
	m, err := parseMeta(encoded)
	if err != nil {
		return nil, err
	}
	m.index = index{}
	return m.encode(), nil
}
