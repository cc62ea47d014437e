package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
)

// calls are the calls that need one round trip, each on a record of its own.
var calls = map[string]func(ctx context.Context, s *postgres.Store, r *driver.Record) error{
	"Retrieve": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		_, err := s.Retrieve(ctx, r.Key)
		return err
	},
	"Flush": func(ctx context.Context, s *postgres.Store, r *driver.Record) error { return s.Flush(ctx, r) },
	"Touch": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		return s.Touch(ctx, r.Key, r.Expires.Add(time.Minute))
	},
	"ChangeID": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		oldKey := r.Key
		r.Key += "-new"
		return s.ChangeID(ctx, oldKey, r)
	},
	"Destroy": func(ctx context.Context, s *postgres.Store, r *driver.Record) error { return s.Destroy(ctx, r.Key) },
	"DestroySubject": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		return s.DestroySubject(ctx, r.Subject, "other")
	},
	"Create": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		r.Key += "-new"
		return s.Create(ctx, r)
	},
	"Renamed": func(ctx context.Context, s *postgres.Store, r *driver.Record) error {
		if _, err := s.Renamed(ctx, r.Key); !errors.Is(err, driver.ErrNotFound) {
			return fmt.Errorf("Renamed = %w; want ErrNotFound", err)
		}
		return nil
	},
}

// Each call takes one round trip, whether pgx prepares the statements or not, after a first call that
// lets pgx prepare.
func TestRoundTrips(t *testing.T) {
	ctx := t.Context()
	p := newPlace(t, "")
	w := newWire(t, p.addr(t))
	dsn := func(params ...string) string { return at(t, p.dsn(newTable(), params...), w.addr) }
	pool := ownPool(t, at(t, p.DSN(p.database, ""), w.addr))
	for name, s := range map[string]*postgres.Store{
		"prepared":  open(t, dsn()),
		"described": open(t, dsn("default_query_exec_mode=cache_describe")),
		"exec":      open(t, dsn("default_query_exec_mode=exec")),
		"simple":    open(t, dsn("default_query_exec_mode=simple_protocol")),
		"jsonb":     open(t, dsn("data=jsonb")),
		"pool":      postgres.NewPool(pool, postgres.Options{Table: newTable()}),
		"database":  postgres.New(connect(t, at(t, p.DSN(p.database, ""), w.addr)), postgres.Options{Table: newTable()}),
	} {
		for method, call := range calls {
			for round := range 2 {
				r := record(fmt.Sprint(name, method, round), time.Hour)
				r.Subject = r.Key
				require.NoError(t, s.Create(ctx, r))
				trips := w.count(t, func() error { return call(ctx, s, r) })
				if round > 0 {
					require.Equal(t, int64(1), trips, "round trips of %s, %s", method, name)
				}
			}
		}
		time.Sleep(1100 * time.Millisecond) // database/sql and pgx by themselves would now check the connection
		if name != "pool" && name != "database" {
			trips := w.count(t, func() error { return s.DestroySubject(ctx, "nobody", "other") })
			require.Equal(t, int64(1), trips, "round trips after a pause, %s", name)
		}
	}
}

// If the answer to a write is lost after the server has executed it, the write succeeds, and was
// executed once. Destroy can't tell, and fails.
func TestLostAnswers(t *testing.T) {
	ctx := t.Context()
	p := newPlace(t, "")
	w := newWire(t, p.addr(t))
	for _, mode := range []string{"cache_statement", "exec"} {
		s := open(t, at(t, p.dsn(newTable(), "default_query_exec_mode="+mode), w.addr))
		for method, call := range calls {
			r := record(mode+method, time.Hour)
			r.Subject = r.Key
			require.NoError(t, s.Create(ctx, r))
			if method != "Create" && method != "Renamed" {
				warm := record("warm"+mode+method, time.Hour)
				warm.Subject = warm.Key
				require.NoError(t, s.Create(ctx, warm))
				require.NoError(t, call(ctx, s, warm))
			} else if method == "Renamed" {
				require.NoError(t, call(ctx, s, r))
			}
			w.lose.Store(true)
			err := call(ctx, s, r)
			require.False(t, w.lose.Load(), "no answer was lost")
			stored, found := s.Retrieve(ctx, r.Key)
			switch method {
			case "Destroy":
				require.ErrorContains(t, err, "unexpected EOF", method)
				require.NotErrorIs(t, err, driver.ErrNotFound)
				require.ErrorIs(t, found, driver.ErrNotFound)
			case "DestroySubject":
				require.NoError(t, err)
				require.ErrorIs(t, found, driver.ErrNotFound)
			default:
				require.NoError(t, err, method)
				require.NoError(t, found, method)
				require.Equal(t, r.Version, stored.Version, method)
				require.NoError(t, s.Flush(ctx, r), "Flush after %s", method)
			}
		}
	}
}
