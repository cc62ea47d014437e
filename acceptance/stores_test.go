package acceptance_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memcache"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/drivers/mongo"
	"gosession.dev/session/drivers/mysql"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivers/redis"
	"gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivers/sqlstore"
	"gosession.dev/session/internal/canary"
)

// A printed store, for instance a field of an application's struct, shows nothing of its DSN
// or of a record.
func TestStoresShowNothing(t *testing.T) {
	file := "file:" + filepath.Join(t.TempDir(), "zanary.db") + "?table=zanary_table"
	const sealing = "c2FuYXJ5LXphbmFyeS16YW5hcnktemFuYXJ5LXphbmE" // Base64 of "sanary-zanary-..."
	const ofPostgres, ofMySQL = "postgres://zanary-user:zanary-password@127.0.0.1:1/zanary-db?connect_timeout=1", "zanary-user:zanary-password@tcp(127.0.0.1:1)/zanary-db?timeout=100ms"
	for name, open := range map[string]struct {
		driver.Driver
		dsn string
	}{
		"cookie":   {cookie.Driver{}, "secret=" + sealing + "&unrevocable&site=zanary"},
		"memcache": {memcache.Driver{}, "127.0.0.1:1?prefix=zanary-prefix:&timeout=1s"},
		"memory":   {memory.Driver{}, "zanary"},
		"migrate":  {migrate.Driver{}, "stage=move&old=memory:zanary-old&new=" + url.QueryEscape("sqlite:"+file)},
		"mongo":    {mongo.Driver{}, "mongodb://zanary-user:zanary-password@127.0.0.1:1/zanary-db?collection=zanary-coll&serverSelectionTimeoutMS=100"},
		"mysql":    {mysql.Driver{}, ofMySQL},
		"postgres": {postgres.Driver{}, ofPostgres},
		"redis":    {redis.Driver{}, "redis://zanary-user:zanary-password@127.0.0.1:1/0?prefix=zanary-prefix:&client_name=zanary-client"},
		"sqlite":   {sqlite.Driver{}, file},

		"sqlstore on PostgreSQL": {own{t, "pgx", sqlstore.PostgreSQL}, ofPostgres},
		"sqlstore on MySQL":      {own{t, "mysql", sqlstore.MySQL}, ofMySQL},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open.Open(open.dsn)
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			canary.RequireHidden(t, "a new store", s, "zanary", sealing)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			now := time.Now().UTC().Truncate(time.Second)
			rec := &driver.Record{Key: "zanary", Data: []byte("zanary"), Meta: []byte("zanary"), Subject: "zanary", Created: now, Expires: now.Add(time.Hour)}
			_ = s.Create(ctx, rec) // fails over a network, where no backend answers
			canary.RequireHidden(t, "a used store", s, "zanary", sealing)
		})
	}
}

// own is a driver whose stores use a database of an application.
type own struct {
	t         *testing.T
	sqlDriver string
	dialect   sqlstore.Dialect
}

func (o own) Open(dsn string) (driver.Store, error) {
	db, err := sql.Open(o.sqlDriver, dsn)
	if err != nil {
		return nil, err
	}
	o.t.Cleanup(func() { _ = db.Close() })
	return sqlstore.New(db, o.dialect), nil
}
