//go:build cgo

package sqlite

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Without cgo, the compiler's message says what to do. Package sqlstore does not need cgo.
func TestWithoutCgo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the compiler")
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, command := range []string{"build", "vet"} {
		for _, importer := range []string{".", "gosession.dev/session/examples/webapp"} {
			out, err := run(command, importer)
			require.Error(t, err)
			require.Contains(t, out, "needs a C compiler (gcc, clang) and CGO_ENABLED=1")
			require.NotContains(t, out, "undefined")
		}
		out, err := run(command, "gosession.dev/session/drivers/sqlstore")
		require.NoError(t, err, out)
	}
}
