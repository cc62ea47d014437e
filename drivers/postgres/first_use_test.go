package postgres_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivers/postgres"
)

var rounds = flag.Int("rounds", 10, "how many tables eight stores use for the first time at once")

// The first use by eight stores at once, as after a deployment, never fails. Each store has
// connections of its own, as a process has.
func TestFirstUseAtOnce(t *testing.T) {
	p := newPlace(t, "")
	for round := range *rounds {
		table := newTable()
		params := []string{"", "data=jsonb", "unlogged=true", "default_transaction_isolation=serializable"}[round%4]
		var stores []*postgres.Store
		for range 8 {
			stores = append(stores, open(t, p.dsn(table, params)))
		}
		failed, err := atOnce(len(stores), func(i int) error {
			if i%2 == 0 {
				return stores[i].Ping(t.Context())
			}
			return stores[i].Create(t.Context(), record(string(rune('a'+i)), time.Hour))
		})
		require.Zero(t, failed, "round %d: of 8 first uses failed, one with %v", round, err)
		require.Equal(t, "4", p.Exec(t, p.database, "SELECT count(*) FROM "+table))
		for _, s := range stores {
			require.NoError(t, s.Close())
		}
	}
}
