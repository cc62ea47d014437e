package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlite"
)

// Close removes the WAL, even if a checkpoint is running.
func TestCloseRemovesLog(t *testing.T) {
	for round := range 20 {
		file := filepath.Join(t.TempDir(), "s.db")
		store, err := sqlite.Driver{}.Open("file:" + file)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					now := time.Now().UTC().Truncate(time.Millisecond)
					_ = store.Create(ctx, &driver.Record{
						Key: fmt.Sprint(w, "-", n), Data: make([]byte, 2000), Created: now, Expires: now.Add(time.Hour),
					})
				}
			})
		}
		time.Sleep(time.Duration(60+round) * time.Millisecond)
		cancel()
		writers.Wait()
		require.NoError(t, store.Close())
		require.NoFileExists(t, file+"-wal")
	}
}
