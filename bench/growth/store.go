package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/sqlite"
)

// payloadSize is the size of a session's values in bytes.
const payloadSize = 450

// store is a store of this library or of scs.
type store interface {
	create(ctx context.Context, key string, expires time.Time) error
	retrieve(ctx context.Context, key string) error
	flush(ctx context.Context, key string) error // retrieves and writes
	sweep(ctx context.Context) error
	list(ctx context.Context) (int, error)
	inMemory() bool
	io.Closer
}

// opener opens a new, empty store.
type opener func() (store, error)

func open(backend string) (store, error) {
	dir, err := os.MkdirTemp("", "growth")
	if err != nil {
		return nil, err
	}
	file := "file:" + filepath.Join(dir, "sessions.db")
	cleanUp := func() error { return os.RemoveAll(dir) }
	switch backend {
	case "memory":
		return ours{memory.New(memory.Options{}), true, cleanUp}, nil
	case "sqlite":
		s, err := sqlite.Driver{}.Open(file)
		return ours{s, false, cleanUp}, err
	case "scs-memory":
		s, swept := memstore.NewWithCleanupInterval(scsInterval), time.Now().Add(scsInterval+2*time.Second)
		return theirs{s, true, s.All, func(context.Context) error {
			time.Sleep(time.Until(swept))
			s.StopCleanup()
			return nil
		}, cleanUp}, nil
	case "scs-sqlite":
		db, err := sql.Open("sqlite3", file+"?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000&_txlock=immediate&_secure_delete=on")
		if err == nil {
			_, err = db.Exec(`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
				CREATE INDEX sessions_expiry_idx ON sessions(expiry);`)
		}
		s := sqlite3store.NewWithCleanupInterval(db, 0)
		return theirs{s, false, s.All, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "DELETE FROM sessions WHERE expiry < julianday('now')")
			return err
		}, func() error { _ = db.Close(); return cleanUp() }}, err
	}
	return nil, fmt.Errorf("unknown backend %q", backend)
}

// scsInterval is when the memstore of scs sweeps by itself. It is longer than filling the store takes.
const scsInterval = 8 * time.Second

// key returns the key of the i-th session: a hash, like the keys of package session.
func key(i int) string {
	sum := sha256.Sum256(binary.AppendVarint(nil, int64(i)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func newPayload() []byte {
	b := make([]byte, payloadSize)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

var meta = make([]byte, 24) // as large as package session's metadata

// ours is a store of this library.
type ours struct {
	driver.Store
	memory  bool
	cleanUp func() error
}

func (s ours) inMemory() bool { return s.memory }

func (s ours) create(ctx context.Context, key string, expires time.Time) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return s.Create(ctx, &driver.Record{Key: key, Data: newPayload(), Meta: meta, Created: now, Expires: expires.UTC().Truncate(time.Millisecond)})
}

func (s ours) retrieve(ctx context.Context, key string) error {
	_, err := s.Retrieve(ctx, key)
	return err
}

func (s ours) flush(ctx context.Context, key string) error {
	r, err := s.Retrieve(ctx, key)
	if err != nil {
		return err
	}
	r.Data[0]++
	r.Expires = r.Expires.Add(time.Second)
	return s.Flush(ctx, r)
}

func (s ours) sweep(ctx context.Context) error {
	_, err := s.DeleteExpired(ctx)
	return err
}

func (s ours) list(ctx context.Context) (n int, err error) {
	for _, err := range s.Sessions(ctx) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s ours) Close() error {
	_ = s.Store.Close()
	return s.cleanUp()
}

// theirs is a store of scs.
type theirs struct {
	scs.Store
	memory     bool
	all        func() (map[string][]byte, error)
	sweepItems func(context.Context) error
	cleanUp    func() error
}

func (s theirs) inMemory() bool { return s.memory }

func (s theirs) sweep(ctx context.Context) error { return s.sweepItems(ctx) }

func (s theirs) create(_ context.Context, key string, expires time.Time) error {
	return s.Commit(key, newPayload(), expires)
}

func (s theirs) retrieve(_ context.Context, key string) error {
	_, found, err := s.Find(key)
	if err == nil && !found {
		err = driver.ErrNotFound
	}
	return err
}

func (s theirs) flush(ctx context.Context, key string) error {
	data, _, err := s.Find(key)
	if err != nil {
		return err
	}
	return s.Commit(key, data, time.Now().Add(time.Hour))
}

func (s theirs) list(context.Context) (int, error) {
	all, err := s.all()
	return len(all), err
}

func (s theirs) Close() error { return s.cleanUp() }
