package mysql

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

// ownParams are the parameters of go-sql-driver and the isolation levels with which an application
// may have opened its database. The first is one of all.
var ownParams = []string{
	"clientFoundRows=true&interpolateParams=true&parseTime=true&loc=Asia%2FTokyo&tx_isolation='SERIALIZABLE'",
	"",
	"clientFoundRows=true",
	"interpolateParams=true",
	"parseTime=true&loc=Asia%2FTokyo",
	"tx_isolation='READ-COMMITTED'",
	"tx_isolation='SERIALIZABLE'",
	"columnsWithAlias=true&compress=true&charset=utf8mb4",
}

// ownTarget is a store in an application's own database.
func ownTarget(server testserver.MariaDB, params string, options sqlstore.Options) drivertest.Target {
	return drivertest.Target{
		Open: func(dsn string) (driver.Store, error) {
			config, err := mysql.ParseDSN(dsn)
			if err != nil {
				return nil, err
			}
			config.Logger = &mysql.NopLogger{}
			c, err := mysql.NewConnector(config)
			if err != nil {
				return nil, err
			}
			db := sql.OpenDB(c)
			db.SetMaxOpenConns(20)
			db.SetMaxIdleConns(20)
			return closesDatabase{sqlstore.New(db, sqlstore.MySQL, options), db}, nil
		},
		DSN:        func(t testing.TB) string { return newDSN(t, server, params) },
		Implements: implements,
		PageSize:   1000,
	}
}

// closesDatabase is a store that closes its database.
type closesDatabase struct {
	*sqlstore.Store
	db *sql.DB
}

func (s closesDatabase) Close() error {
	err := s.Store.Close()
	_ = s.db.Close()
	return err
}

// With -long, the test runs each of ownParams, which takes minutes.
func TestConformanceOfOwnDatabase(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	params := ownParams[:1]
	if *long {
		params = ownParams
		t.Run("JSON", func(t *testing.T) { drivertest.Run(t, ownTarget(server, "", sqlstore.Options{JSON: true})) })
	}
	for _, p := range params {
		t.Run(p, func(t *testing.T) { drivertest.Run(t, ownTarget(server, p, sqlstore.Options{})) })
	}
}

func TestHistoriesOfOwnDatabase(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	params, each := ownParams[:3], time.Second
	if *long {
		params, each = ownParams, 10*time.Second
	}
	for _, p := range params {
		t.Run(p, func(t *testing.T) { histories.Run(t, ownTarget(server, p, sqlstore.Options{}), each) })
	}
}

// Of several goroutines that create one key, exactly one succeeds, whatever the flags of the client.
func TestCreateHasOneWinner(t *testing.T) {
	const goroutines = 4
	rounds := 10
	if *long {
		rounds = 500
	}
	server := testserver.StartMariaDB(t, volatile)
	stores := map[string]driver.Store{
		"by DSN":                 open(t, newDSN(t, server, "")),
		"clientFoundRows=false":  open(t, newDSN(t, server, "clientFoundRows=false")),
		"interpolateParams=true": open(t, newDSN(t, server, "interpolateParams=true")),
	}
	for _, params := range ownParams {
		stores["own "+params] = own(t, newDSN(t, server, params))
	}
	for name, s := range stores {
		for round := range rounds {
			key := fmt.Sprint("k", round)
			if round%2 == 1 { // over an expired record
				expired := record(key)
				expired.Expires = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
				require.NoError(t, s.Create(t.Context(), expired))
			}
			var wg sync.WaitGroup
			errs, records := make([]error, goroutines), make([]*driver.Record, goroutines)
			for i := range goroutines {
				wg.Go(func() {
					records[i] = record(key)
					records[i].Data = fmt.Append(nil, i)
					errs[i] = s.Create(t.Context(), records[i])
				})
			}
			wg.Wait()
			winner := -1
			for i, err := range errs {
				if err == nil {
					require.Equal(t, -1, winner, "%s: more than one goroutine created the key", name)
					winner = i
				} else {
					require.ErrorIs(t, err, driver.ErrExists, name)
				}
			}
			require.NotEqual(t, -1, winner, "%s: no goroutine created the key", name)
			got, err := s.Retrieve(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, string(records[winner].Data), string(got.Data), name)
			require.Equal(t, records[winner].Version, got.Version, name)
		}
	}
}

// The store that is printed shows no DSN.
func TestPrintedStore(t *testing.T) {
	s := open(t, "web:swordfish@tcp(db.internal)/shop")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		text := fmt.Sprintf(verb, s)
		require.Equal(t, "mysql.store", strings.TrimPrefix(text, "&"))
	}
}
