package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// While a transaction renames a record, the old key is taken, and after that it has a mark: neither
// Create nor ChangeID stores a record under it.
func TestNewKeyIsBeingRenamed(t *testing.T) {
	ctx := t.Context()
	p := newPlace(t, "")
	for name, write := range map[string]func(s driver.Store, other *driver.Record) error{
		"Create": func(s driver.Store, _ *driver.Record) error { return s.Create(ctx, record("k", time.Hour)) },
		"ChangeID": func(s driver.Store, other *driver.Record) error {
			other.Key = "k"
			return s.ChangeID(ctx, "other", other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := newTable()
			s, db := open(t, p.dsn(table)), connect(t, p.DSN(p.database, ""))
			other := record("other", time.Hour)
			require.NoError(t, s.Create(ctx, record("k", time.Hour)))
			require.NoError(t, s.Create(ctx, other))
			tx, err := db.Begin()
			require.NoError(t, err)
			_, err = tx.Exec("WITH r AS (UPDATE " + table + " SET id = 'new' WHERE id = 'k' RETURNING id) INSERT INTO " +
				table + " SELECT 'k', '{}', id::bytea, 1, -(extract(epoch FROM now()) * 1000)::bigint, '', 1 FROM r")
			require.NoError(t, err)
			result := make(chan error)
			go func() { result <- write(s, other) }()
			select {
			case err = <-result: // it did not have to wait
				require.NoError(t, tx.Commit())
			case <-time.After(200 * time.Millisecond):
				require.NoError(t, tx.Commit())
				err = <-result
			}
			require.ErrorIs(t, err, driver.ErrExists)
			_, err = s.Retrieve(ctx, "k")
			require.ErrorIs(t, err, driver.ErrNotFound)
			_, err = s.Retrieve(ctx, "other")
			require.NoError(t, err)
		})
	}
}
