package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// A sweep of a table with partitions leaves live sessions alone: two rows in two partitions may have
// the same ctid.
func TestSweepOfPartitions(t *testing.T) {
	p := newPlace(t, "")
	table := newTable()
	p.Exec(t, p.database, fmt.Sprintf(`CREATE TABLE %[1]s (%[2]s) PARTITION BY HASH (id);
		CREATE TABLE %[1]s_0 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE %[1]s_1 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 2, REMAINDER 1)`, table, columns()))
	s := open(t, p.dsn(table))
	require.NoError(t, s.Ping(t.Context()))
	const records = 40
	for i := range records {
		require.NoError(t, s.Create(t.Context(), record(fmt.Sprint("live", i), time.Hour)))
		require.NoError(t, s.Create(t.Context(), record(fmt.Sprint("expired", i), time.Millisecond)))
	}
	time.Sleep(5 * time.Millisecond)
	deleted, err := s.DeleteExpired(t.Context())
	require.NoError(t, err)
	require.Equal(t, records, deleted)
	for i := range records {
		_, err := s.Retrieve(t.Context(), fmt.Sprint("live", i))
		require.NoError(t, err)
	}
	moved := record("moved", time.Hour)
	r, err := s.Retrieve(t.Context(), "live0")
	require.NoError(t, err)
	moved.Version = r.Version
	require.NoError(t, s.ChangeID(t.Context(), "live0", moved))
	_, err = s.Retrieve(t.Context(), "live0")
	require.ErrorIs(t, err, driver.ErrNotFound)
}
