package mysql

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// DestroySubject ends a session whose key changes during the call, at each isolation level: also from
// one that the DELETE has not reached to one that it has passed.
func TestDestroySubjectOfMovingSession(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for _, params := range []string{"", "interpolateParams=true", "tx_isolation=REPEATABLE-READ", "tx_isolation=SERIALIZABLE"} {
		for _, except := range [][]string{nil, {"spared"}, {"spared", "other"}} {
			dsn := newDSN(t, server, params)
			s := open(t, dsn)
			moving := record("z")
			for _, r := range []*driver.Record{record("m"), record("spared"), moving} {
				require.NoError(t, s.Create(t.Context(), r))
			}
			tx, err := direct(t, dsn).Begin() // holds the DELETE up
			require.NoError(t, err)
			_, err = tx.Exec("UPDATE sessions SET data = '{}' WHERE id = 'm'")
			require.NoError(t, err)
			ended, moved := make(chan error, 1), make(chan error, 1)
			go func() { ended <- s.(driver.SubjectDestroyer).DestroySubject(t.Context(), "ada", except...) }()
			time.Sleep(100 * time.Millisecond)
			go func() {
				r := *moving
				r.Key = "a"
				moved <- s.ChangeID(t.Context(), "z", &r)
			}()
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, tx.Commit())
			require.NoError(t, <-ended)
			if err := <-moved; err != nil {
				require.ErrorIs(t, err, driver.ErrNotFound)
			}
			for _, key := range []string{"a", "m", "z"} {
				_, err := s.Retrieve(t.Context(), key)
				require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve(%q) after DestroySubject, with %q and except %q", key, params, except)
			}
			_, err = s.Retrieve(t.Context(), "spared")
			require.Equal(t, except != nil, err == nil, "Retrieve of the spared session = %v", err)
		}
	}
}
