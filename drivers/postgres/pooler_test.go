package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

// behind returns p behind a PgBouncer that pools transactions.
func (p place) behind(t testing.TB, params string) place {
	return place{testserver.StartPgBouncer(t, p.Postgres), p.database, params}
}

func TestConformanceBehindPgBouncer(t *testing.T) {
	p := newPlace(t, "")
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			if mode != "exec" && testing.Short() {
				t.Skip("slow: the other mode is enough for a first look")
			}
			tgt := p.behind(t, "default_query_exec_mode="+mode).target()
			tgt.ReadOnlyDSN = nil // PgBouncer knows one user
			drivertest.Run(t, tgt)
		})
	}
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
