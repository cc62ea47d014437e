package mysql

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// A Create or ChangeID that waits until a transaction has renamed the record under its key finds the
// mark of that transaction, at each isolation level.
func TestWaitsForRename(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for _, params := range []string{"", "interpolateParams=true", "tx_isolation=REPEATABLE-READ", "tx_isolation=SERIALIZABLE"} {
		for name, call := range map[string]func(s driver.Store, r *driver.Record) error{
			"Create": func(s driver.Store, r *driver.Record) error {
				r.Key = "k"
				return s.Create(t.Context(), r)
			},
			"ChangeID": func(s driver.Store, r *driver.Record) error {
				r.Key = "k"
				return s.ChangeID(t.Context(), "other", r)
			},
		} {
			dsn := newDSN(t, server, params)
			s := open(t, dsn)
			other := record("other")
			require.NoError(t, s.Create(t.Context(), record("k")))
			require.NoError(t, s.Create(t.Context(), other))
			tx, err := direct(t, dsn).Begin()
			require.NoError(t, err)
			_, err = tx.Exec("UPDATE sessions SET id = 'moved' WHERE id = 'k'")
			require.NoError(t, err)
			done := make(chan error)
			go func() { done <- call(s, other) }()
			time.Sleep(50 * time.Millisecond)
			_, err = tx.Exec("INSERT INTO sessions VALUES ('k', '{}', 'moved', 1, ?, '', 1)", -time.Now().UnixMilli())
			if err == nil {
				err = tx.Commit()
			} // otherwise the call has won a deadlock, which the store would retry
			if got := <-done; err == nil {
				require.ErrorIs(t, got, driver.ErrExists, "%s at %q", name, params)
				_, err := s.Retrieve(t.Context(), "k")
				require.ErrorIs(t, err, driver.ErrNotFound, "%s at %q", name, params)
			}
		}
	}
}
