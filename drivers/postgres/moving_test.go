package postgres_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// DestroySubject ends a session whose key changes during the call, at each isolation level and also
// if the row moves to another partition.
func TestDestroySubjectOfMovingSession(t *testing.T) {
	ctx := t.Context()
	p := newPlace(t, "")
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		for _, partitions := range []string{"", " PARTITION BY HASH (id)"} {
			table := newTable()
			p.Exec(t, p.database, fmt.Sprintf("CREATE TABLE %s (%s)%s; CREATE INDEX ON %[1]s (subject, id)", table, columns(), partitions))
			for i := 0; i < 3 && partitions != ""; i++ {
				p.Exec(t, p.database, fmt.Sprintf("CREATE TABLE %s_%d PARTITION OF %[1]s FOR VALUES WITH (MODULUS 3, REMAINDER %[2]d)", table, i))
			}
			s := open(t, p.dsn(table, "default_transaction_isolation="+url.PathEscape(isolation)))
			moving := record("z", time.Hour)
			for _, r := range []*driver.Record{record("m", time.Hour), moving} {
				require.NoError(t, s.Create(ctx, r))
			}
			tx, err := connect(t, p.DSN(p.database, "")).Begin() // holds the DELETE up
			require.NoError(t, err)
			_, err = tx.Exec("UPDATE " + table + " SET meta = 'x' WHERE id = 'm'")
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { ended <- s.DestroySubject(ctx, moving.Subject) }()
			time.Sleep(100 * time.Millisecond)
			moved := make(chan error, 1)
			go func() { // waits if the DELETE has reached the session
				var err error
				for i := 0; i < 5 && err == nil; i++ { // to all partitions
					r, oldKey := *moving, moving.Key
					r.Key = fmt.Sprint("a", i)
					if err = s.ChangeID(ctx, oldKey, &r); err == nil {
						moving = &r
					}
				}
				moved <- err
			}()
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, tx.Commit())
			require.NoError(t, <-ended)
			if err := <-moved; err != nil {
				require.ErrorIs(t, err, driver.ErrNotFound)
			}
			for _, key := range []string{"m", "z", moving.Key} {
				_, err := s.Retrieve(ctx, key)
				require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve(%q) at %s%s", key, isolation, partitions)
			}
		}
	}
}
