package canary_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/canary"
)

type silent struct{ hidden string }

func (silent) Error() string { return "silent" }

func TestShown(t *testing.T) {
	leak := errors.New("a CANARY")
	for _, err := range []error{
		leak, fmt.Errorf("outer: %w", leak), errors.Join(errors.New("first"), leak), silent{"canary"},
		fmt.Errorf("%w", silent{"canary"}), errors.New(hex.EncodeToString([]byte("canary"))),
	} {
		require.Contains(t, canary.Shown(err, "other", "canary"), "canary", "%T", err)
		require.NotContains(t, canary.Shown(err, "other", "canary"), "other")
	}
	require.Empty(t, canary.Shown(fmt.Errorf("outer: %w", errors.New("inner")), "canary"))
	require.Empty(t, canary.Shown(nil, "canary"))
}
