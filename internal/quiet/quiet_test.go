package quiet_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/quiet"
)

func TestError(t *testing.T) {
	cause := fmt.Errorf("reading canary: %w", &fs.PathError{Op: "open", Path: "canary", Err: fs.ErrNotExist})
	err := quiet.Error("it can't be read", cause)
	require.EqualError(t, err, "it can't be read")
	require.NotErrorIs(t, err, fs.ErrExist)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var path *fs.PathError
	require.ErrorAs(t, err, &path)
	require.Equal(t, "open", path.Op)

	wrapped := fmt.Errorf("session: get: %w", err)
	require.ErrorIs(t, wrapped, fs.ErrNotExist)
	for e := wrapped; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "canary")
	}
}
