package boltdriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

var target = drivertest.Target{
	Driver: Driver{},
	DSN:    func(t testing.TB) string { return filepath.Join(t.TempDir(), "sessions.bolt") },
	BadDSN: []string{"", "sessions.bolt?mode=0600", "sessions.bolt\x00"},
	DownDSN: func(t testing.TB) (dsn string, up func()) {
		dir := filepath.Join(t.TempDir(), "mount")
		return filepath.Join(dir, "sessions.bolt"), func() { os.Mkdir(dir, 0o700) }
	},
	Neighbours: func(t testing.TB) (a, b string) {
		dir := t.TempDir()
		return filepath.Join(dir, "app"), filepath.Join(dir, "app2")
	},
	Corrupt: map[string]func(t testing.TB, dsn, key string){
		"empty":   plant(""),
		"text":    plant(`{"cart":3}`),
		"cut off": plant("\x81\x00\x00\x00\x00\x00\x00\x00\x01"),
	},
	Count: func(t testing.TB, dsn string) (items int) {
		inFile(t, dsn, func(tx *bbolt.Tx) error {
			return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
				return bucket.ForEach(func(_, _ []byte) error { items++; return nil })
			})
		})
		return items
	},
	PageSize:   pageSize,
	Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker,
}

func open(t testing.TB, dsn string) *store {
	t.Helper()
	s, err := Driver{}.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*store)
}

// inFile calls f in a transaction of the driver, because bbolt does not open a file twice.
func inFile(t testing.TB, dsn string, f func(*bbolt.Tx) error) {
	t.Helper()
	s := open(t, dsn)
	defer s.Close()
	if err := s.update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func plant(garbage string) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) {
		inFile(t, dsn, func(tx *bbolt.Tx) error { return tx.Bucket(records).Put([]byte(key), []byte(garbage)) })
	}
}

func init() {
	if os.Geteuid() == 0 {
		return // root may write to every file
	}
	target.ReadOnlyDSN = func(t testing.TB) string {
		dsn := target.DSN(t)
		inFile(t, dsn, func(*bbolt.Tx) error { return nil })
		if err := os.Chmod(dsn, 0o400); err != nil {
			t.Fatal(err)
		}
		return dsn
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target) }

func TestHistories(t *testing.T) { histories.Run(t, target, 3*time.Second) }

// bbolt locks a file that the test has opened against the driver, as if another process had
// opened it.
func TestWaitsForOtherProcess(t *testing.T) {
	dsn := target.DSN(t)
	other, err := bbolt.Open(dsn, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dsn)

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Retrieve(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Retrieve while another process has the file = %v; want %v", err, context.DeadlineExceeded)
	}
	time.AfterFunc(50*time.Millisecond, func() { other.Close() })
	if _, err := s.Retrieve(t.Context(), "key"); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("Retrieve while another process gives the file back = %v; want %v", err, driver.ErrNotFound)
	}
}

// The last store of a file has closed it.
func TestOpensAgain(t *testing.T) {
	dsn := target.DSN(t)
	for range 2 {
		s := open(t, dsn)
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping = %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if len(files) != 0 {
		t.Errorf("%d files are open; want none", len(files))
	}
}

// Another write has the file. The suite can't make a write take long.
func TestWaitsForOtherWrite(t *testing.T) {
	dsn := target.DSN(t)
	s := open(t, dsn)
	inFile(t, dsn, func(*bbolt.Tx) error {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := s.Destroy(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Destroy during another write = %v; want %v", err, context.DeadlineExceeded)
		}
		return nil
	})
}

// A call that may not create anything leaves no file, and changes none that is not a store.
func TestCreatesNothing(t *testing.T) {
	dsn := target.DSN(t)
	ctx := driver.WithoutCreating(t.Context())
	fails := func() {
		t.Helper()
		s := open(t, dsn)
		defer s.Close()
		if _, err := s.Retrieve(ctx, "key"); err == nil || errors.Is(err, driver.ErrNotFound) {
			t.Errorf("Retrieve = %v; want an outage", err)
		}
	}

	fails()
	if _, err := os.Stat(dsn); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the call has created the file")
	}

	if err := os.WriteFile(dsn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fails()
	if info, err := os.Stat(dsn); err != nil || info.Size() != 0 {
		t.Error("the call has written to an empty file")
	}

	db, err := bbolt.Open(dsn, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	fails()
	if db, err = bbolt.Open(dsn, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			t.Errorf("the call has created the bucket %q", name)
			return nil
		})
	})
}

// The index keeps the entry of a record that is corrupt when it is destroyed, up to the sweep.
func TestSweepsIndexOfCorruptRecord(t *testing.T) {
	dsn := target.DSN(t)
	s := open(t, dsn)
	now := time.Now().UTC().Truncate(time.Millisecond)
	err := s.Create(t.Context(), &driver.Record{Key: "key", Subject: "ann", Created: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	plant("garbage")(t, dsn, "key")
	if err := s.Destroy(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := target.Count(t, dsn); n != 0 {
		t.Errorf("the file has %d items; want 0", n)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	sessions, err := session.Open("bolt", filepath.Join(dir, "sessions.bolt"))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	fmt.Println(sessions.Ping(context.Background()))
	// Output: <nil>
}
