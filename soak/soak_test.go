package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/port"
	"gosession.dev/session/soak/wire"
)

// program is the path of the application, built once.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "soak")
		if err == nil {
			defer os.RemoveAll(dir)
			err = os.Chmod(dir, 0o755)
		}
		if err == nil {
			program, err = build(dir)
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// soak finds each fault that the application can plant, and none in an application without one.
func TestFindsPlantedFaults(t *testing.T) {
	for fault, finds := range map[string]string{
		"overwrites": "lost updates",
		"revives":    "resurrections",
		"keeps":      "resurrections",
		"mixes":      "others' data",
		"forgets":    "false logouts",
		"welcomes":   "false sign-ins",
		"unmarks":    "cookies taken away",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			for length := 3 * time.Second; ; length *= 2 { // on a busy machine few requests are sent in 3 s
				res, err := soak(backends[0], program, options{length: length, fault: fault, only: noFault.name})
				require.NoError(t, err)
				found := strings.Contains(strings.Join(res.faults, "\n"), finds)
				if found {
					require.NotEmpty(t, res.examples)
					break
				}
				require.Less(t, length, 20*time.Second, "with the fault %s, soak finds %q; want %q", fault, res.faults, finds)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		res, err := soak(backends[0], program, options{length: 3 * time.Second})
		require.NoError(t, err)
		require.Empty(t, res.faults, res.examples)
	})
}

// The clock of the application is wrong by as much as start says.
func TestWrongClock(t *testing.T) {
	address, release, err := port.Reserve()
	require.NoError(t, err)
	defer release()
	p := &process{program: program, driver: "memory", address: address}
	for _, by := range []time.Duration{5 * time.Minute, 0, -5 * time.Minute} {
		require.NoError(t, p.start(by))
		response, err := http.Get("http://" + address)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		date, err := http.ParseTime(response.Header.Get("Date"))
		require.NoError(t, err)
		require.InDelta(t, by.Seconds(), time.Until(date).Seconds(), 60)
		left, err := p.stop()
		require.NoError(t, err)
		require.Equal(t, wire.Stopped{}, left)
	}
}
