package postgres_test

import (
	"flag"
	"net/url"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

var all = flag.Bool("all", false, "run the whole suite on each kind of connection and table, which takes minutes")

func TestConformance(t *testing.T) { drivertest.Run(t, newPlace(t, "").target()) }

func TestHistories(t *testing.T) { histories.Run(t, newPlace(t, "").target(), 3*time.Second) }

// With PgBouncer in transaction mode, and pgx in a mode in which it prepares nothing.
func TestConformanceBehindPgBouncer(t *testing.T) {
	drivertest.Run(t, core(newPlace(t, "").behind(t, "default_query_exec_mode=exec").target()))
}

// JSON objects are not kept byte for byte. The objects of the suite come back as they were, because
// they have no white space, no numbers and one member.
func TestConformanceOfJSON(t *testing.T) {
	drivertest.Run(t, core(newPlace(t, "data=jsonb").target()))
}

// TestKinds tries further kinds of connections and tables, by random programs or by the whole suite.
func TestKinds(t *testing.T) {
	p := newPlace(t, "")
	p.Exec(t, p.database, `CREATE SCHEMA "Web"`)
	with := func(params string) drivertest.Target { return place{p.Postgres, p.database, params}.target() }
	pool := ownPool(t, p.DSN(p.database, "pool_max_conns=16"))
	db := connect(t, p.DSN(p.database, ""))
	schema := p.target()
	schema.DSN = func(testing.TB) string {
		return p.dsn("Web."+newTable(), "session_id_column=select", "session_data_column=Values", "pool_max_conns=2")
	}
	unlogged := with("unlogged=true&data=bytea")
	unlogged.Implements |= drivertest.Lossy
	for name, tgt := range map[string]drivertest.Target{
		"serializable":    with("default_transaction_isolation=serializable"),
		"repeatable read": with("default_transaction_isolation=" + url.PathEscape("repeatable read")),
		"unlogged":        unlogged,
		"own names":       core(schema),
		"described":       with("default_query_exec_mode=cache_describe"),
		"simple protocol": core(p.behind(t, "default_query_exec_mode=simple_protocol").target()),
		"simple JSON":     with("default_query_exec_mode=simple_protocol&data=jsonb"),
		"exec JSON":       with("default_query_exec_mode=exec&data=jsonb"),
		"own pool": p.withOpen(func(table string) (driver.Store, error) {
			return postgres.NewPool(pool, postgres.Options{Table: table}), nil
		}),
		"own database": p.withOpen(func(table string) (driver.Store, error) {
			return postgres.New(db, postgres.Options{Table: table}), nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if *all {
				drivertest.Run(t, tgt)
			} else {
				histories.Run(t, tgt, time.Second)
			}
		})
	}
}

// core returns a target without the fields that do not depend on how statements are sent.
func core(tgt drivertest.Target) drivertest.Target {
	tgt.BadDSN, tgt.DeadDSN, tgt.DownDSN, tgt.Proxy, tgt.Restart = nil, nil, nil, nil, nil
	tgt.ReadOnlyDSN, tgt.Neighbours, tgt.Corrupt, tgt.Count = nil, nil, nil, nil
	return tgt
}

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, newPlace(b, "").target()) }
