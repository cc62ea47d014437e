package uptime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/uptime"
)

func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := uptime.Now()
		time.Sleep(time.Hour)
		require.Equal(t, time.Hour, uptime.Now()-begin)
	})
}
