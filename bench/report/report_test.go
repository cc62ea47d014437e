package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const output = `goos: linux
cpu: Some CPU
cpu: Some CPU
BenchmarkRequest/none/handler/read/450B/1-2     	 100	 1000 ns/op	 1 B/op	 4 allocs/op
BenchmarkRequest/session/memory/read/450B/1-2   	 100	 3000 ns/op	 2 B/op	 14 allocs/op
BenchmarkRequest/session/memory/read/450B/1-2   	 100	 9000 ns/op	 2 B/op	 14 allocs/op
BenchmarkRequest/session/memory/read/450B/1-2   	 100	 2000 ns/op	 2 B/op	 14 allocs/op
BenchmarkRequest/scs/memstore/read/450B/1-2     	 100	 9000 ns/op	 3 B/op	 282 allocs/op
BenchmarkRequest/scs/memstore/read/450B/1-2     	 100	 5000 ns/op	 3 B/op	 282 allocs/op
BenchmarkRequest/scs/memstore/write/450B/1-2    	 100	 9000 ns/op	 3 B/op	 282 allocs/op
PASS
`

// The first table has the ratios of the overheads, of one run after the other. The README keeps the text around the
// tables.
func TestReport(t *testing.T) {
	r, err := parse(strings.NewReader(output))
	require.NoError(t, err)
	require.Equal(t, "Measured on linux, Some CPU, 2 cores.", r.machine)
	require.Contains(t, r.ratioTable(), "| read, 450B, 1 goroutine | session/memory | scs/memstore | 2.00 (0.25 to 2.00) |")
	require.Contains(t, r.workTables(), "| session/memory | 3.0 us, 14 |")

	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600))
	require.NoError(t, replace(file, "new"))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "before\n"+begin+"\nnew\n"+end+"after\n", string(text))
	require.NoError(t, r.draw(filepath.Join(t.TempDir(), "chart.svg")))

	_, err = parse(strings.NewReader("PASS\n"))
	require.Error(t, err)
	require.Error(t, replace(filepath.Join(t.TempDir(), "none"), "new"))
}
