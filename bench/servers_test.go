package bench

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
	mongov1 "go.mongodb.org/mongo-driver/mongo"
	mongov1options "go.mongodb.org/mongo-driver/mongo/options"

	"gosession.dev/session/internal/testserver"
)

// idleConns suffices for all goroutines, unlike gomemcache's default of 2.
const idleConns = 32

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return b
}

// checkCounter returns an error if a session has no counter, because its benchmark would then
// measure other work.
func checkCounter(found bool) error {
	if !found {
		return errors.New("the session has no counter")
	}
	return nil
}

func noServer(*testing.B) string { return "" }

func secret(*testing.B) string {
	return "unrevocable&secret=" + strings.NewReplacer("+", "%2B", "/", "%2F").Replace(base64.StdEncoding.EncodeToString(random(32)))
}

func sqliteDSN(synchronous string) func(*testing.B) string {
	return func(b *testing.B) string {
		return "file:" + filepath.Join(b.TempDir(), "sessions.db") + "?_synchronous=" + synchronous
	}
}

// openSQLite opens a database with the journal mode, locking and secure_delete of drivers/sqlite.
func openSQLite(synchronous string) func(*testing.B) *sql.DB {
	return func(b *testing.B) *sql.DB {
		return openDB(b, "sqlite3", sqliteDSN(synchronous)(b)+"&_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate&_secure_delete=on")
	}
}

func openDB(b *testing.B, driverName, dsn string) *sql.DB {
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxIdleConns(idleConns)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func startMemcached(b *testing.B) string {
	return testserver.StartMemcached(b, "-m", "512").Addr
}

func mongoDSN(b *testing.B) string { return testserver.StartMongo(b).DSN("bench", "") }

func openMongoV1(b *testing.B) *mongov1.Database {
	client, err := mongov1.Connect(context.Background(), mongov1options.Client().ApplyURI(mongoDSN(b)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("bench")
}
