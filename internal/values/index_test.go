package values

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// large returns values whose data has an index, and whose brackets and quotes in strings make it
// hard to split without one.
func large(t *testing.T) (List, []byte) {
	vs := list("a", `1`, "b", `"`+strings.Repeat(`\"},{\"b\":[`, 500)+`"`, "c", `[2,{"d":"}"}]`)
	data, err := Join(JSONName, vs)
	require.NoError(t, err)
	return vs, data
}

func parsed(b []byte) Index {
	x, _, _ := ParseIndex(b)
	return x
}

// indexOf returns an index of data with these sizes.
func indexOf(data []byte, sizes ...int) Index {
	x := Index{sum: crc32.Checksum(data, castagnoli), count: len(sizes)}
	for _, size := range sizes {
		x.sizes = binary.AppendVarint(x.sizes, int64(size))
	}
	return x
}

// Split uses an index only if it was made for the data.
func TestSplitByIndex(t *testing.T) {
	vs, data := large(t)
	x := NewIndex(JSONName, vs, data)
	require.False(t, x.IsZero())
	require.Equal(t, x, parsed(x.AppendTo(nil)))

	wrong := indexOf(data, 3)
	_, err := Split(JSONName, data, wrong)
	require.Error(t, err, "Split takes the sizes from the index")
	wrong.sum++
	for name, x := range map[string]Index{"its own": x, "parsed": parsed(x.AppendTo(nil)), "none": {}, "of other data": wrong} {
		got, err := Split(JSONName, data, x)
		require.NoError(t, err, name)
		require.Equal(t, vs, got, name)
	}
	pairs, err := Join("own", vs)
	require.NoError(t, err)
	got, err := Split("own", pairs, x)
	require.NoError(t, err)
	require.Equal(t, vs, got, "Split uses an index for JSON only")
}

// Split does not panic if the sizes do not fit data with the same checksum.
func TestIndexOfWrongSizes(t *testing.T) {
	_, data := large(t)
	for _, size := range []int{-1, 0, 2, len(data), 1 << 62, -1 << 63} {
		_, err := Split(JSONName, data, indexOf(data, size, size, size, size, size))
		if size <= 0 {
			require.NoError(t, err)
		}
	}
}

// Little data and many values have no index, so that metadata stays small.
func TestNewIndexLimits(t *testing.T) {
	for _, tt := range []struct {
		values, size int
		want         bool
	}{{1, 249, false}, {1, 250, true}, {0, 0, false}, {100, 50, true}, {101, 50, false}} {
		var vs List
		for i := range tt.values {
			vs.Set(fmt.Sprintf("n%02d", i), []byte(`"`+strings.Repeat("x", tt.size-len(`""`))+`"`))
		}
		if tt.values == 1 {
			vs[0].Name = []byte("n")
		}
		data, err := Join(JSONName, vs)
		require.NoError(t, err)
		x := NewIndex(JSONName, vs, data)
		require.Equal(t, tt.want, !x.IsZero(), "%d values of %d bytes, %d of data", tt.values, tt.size, len(data))
		require.Less(t, len(x.AppendTo(nil)), 210)
	}
}

// Data of other codecs has no index, and so no checksum is computed for it.
func TestNewIndexOfOtherCodecs(t *testing.T) {
	vs, _ := large(t)
	for _, codec := range []string{"gob", "own"} {
		data, err := Join(codec, vs)
		require.NoError(t, err)
		require.True(t, NewIndex(codec, vs, data).IsZero(), codec)
	}
}

// BenchmarkNewIndex shows what an index costs a write, by the codec of its values.
func BenchmarkNewIndex(b *testing.B) {
	vs := list("a", `"`+strings.Repeat("x", 1<<16)+`"`)
	for _, codec := range []string{JSONName, "gob"} {
		data, err := Join(codec, vs)
		require.NoError(b, err)
		b.Run(codec, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewIndex(codec, vs, data)
			}
		})
	}
}

func TestParseIndexRefuses(t *testing.T) {
	for _, varints := range [][]int64{{}, {1}, {1, -1}, {1, 101}, {1, 1 << 62}, {1, 2, 3}} {
		var b []byte
		for _, v := range varints {
			b = binary.AppendVarint(b, v)
		}
		_, _, ok := ParseIndex(b)
		require.False(t, ok, "%v", varints)
	}
}
