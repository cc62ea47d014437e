package drivertest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/faulty"
)

func TestLegalStoresFailNothing(t *testing.T) {
	for name, legal := range faulty.Legal {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range drivertest.Checks() {
				r := record(t, c, legal.Target())
				require.False(t, r.Failed(), "%s:\n%s", c.Name, r.Text())
			}
		})
	}
}

func TestInterfacesPrintAsInGoSource(t *testing.T) {
	require.Equal(t, "0", drivertest.Interfaces(0).String())
	require.Equal(t, "Toucher | SubjectLister", (drivertest.Toucher | drivertest.SubjectLister).String())
}

// The text of a failure is the call, got, want, and the sentence of the contract.
func TestFailureText(t *testing.T) {
	upsert := faulty.OfFault("saves as upsert")
	for _, c := range drivertest.Checks() {
		if c.Name == upsert.Kills {
			lines := strings.Split(record(t, c, upsert.Target()).Text(), "\n")
			require.Equal(t, []string{`Flush("key-2") = nil; want error "session not found"`, "Store.Flush says: " + c.Rule}, lines)
		}
	}
}
