package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// behind returns p behind a PgBouncer that pools transactions.
func (p place) behind(t testing.TB, params string) place {
	return place{testserver.StartPgBouncer(t, p.Postgres), p.database, params}
}

// Without the parameter, the error of the second process says what to add to the DSN.
func TestPreparedBehindPgBouncer(t *testing.T) {
	p := newPlace(t, "").behind(t, "")
	dsn := p.dsn(newTable())
	var err error
	for round := range 20 {
		s := open(t, dsn)
		if _, err = atOnce(8, func(i int) error {
			return s.Create(t.Context(), record(fmt.Sprint("k", round, "-", i), time.Hour))
		}); err != nil {
			break
		}
	}
	require.ErrorContains(t, err, "add default_query_exec_mode=exec to the DSN")
}
