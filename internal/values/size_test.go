package values

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLargest(t *testing.T) {
	for _, tt := range []struct {
		name string
		list List
		want string
	}{
		{"none", nil, "it has no values"},
		{"three at most, the largest first", List{{Name: []byte("a"), Data: make([]byte, 9)}, {Name: []byte("b"), Data: make([]byte, 1999)}, {Name: []byte("c")}, {Name: []byte("d"), Data: make([]byte, 99)}},
			`the largest are "b" with 2,000 bytes, "d" with 100 bytes, "a" with 10 bytes`},
		{"a long name is cut between characters", List{{Name: []byte(strings.Repeat("é", 30))}}, `the largest are "` + strings.Repeat("é", 20) + `..." with 60 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, Largest(tt.list)) })
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, Grouped(n))
	}
}
