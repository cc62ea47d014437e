//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

// Package filedriver keeps each session in a file of one directory. It is an example of a
// driver by a third party: read it beside the comment of package driver, and copy it.
//
// Importing the package registers the driver "files". Its DSN is the path of the directory,
// which the first use creates. Any number of stores and of processes of one machine may share
// a directory. It must not be on a network file system, because those lock files differently.
//
// A write survives the end of the process, even if the process is killed. It may not survive
// a power cut, because files are not synced: that would make writes many times slower.
package filedriver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("files", Driver{}) }

// Driver opens stores that keep each record in a file of one directory.
type Driver struct{}

// Open returns a store for dsn, the path of a directory. It only validates the path. There
// are no parameters, so it rejects a path with a question mark.
func (Driver) Open(dsn string) (driver.Store, error) {
	if dsn == "" || strings.ContainsAny(dsn, "?\x00") {
		return nil, errors.New("files: malformed DSN; want the path of a directory, and no parameters")
	}
	return &store{path: &dsn}, nil
}

// store implements none of the optional interfaces.
type store struct {
	path   *string // behind a pointer, so that package fmt does not print it with the store
	closed atomic.Bool
}

// A driver has such a line for each optional interface too, so that the compiler reports a
// method whose signature is wrong.
var _ driver.Store = (*store)(nil)

func (s *store) Close() error {
	s.closed.Store(true)
	return nil
}

// Retrieve needs no lock, because a write replaces a file in one step.
func (s *store) Retrieve(ctx context.Context, key string) (r *driver.Record, err error) {
	err = s.in(ctx, func(dir *os.Root) error {
		r, err = live(dir, key)
		return err
	})
	return r, err
}

// The methods that write read the stored record first. No other write may happen in between,
// so they hold the lock of the directory.

func (s *store) Create(ctx context.Context, r *driver.Record) error {
	return s.locked(ctx, func(dir *os.Root) error {
		if err := expectNone(dir, r.Key); err != nil {
			return err
		}
		return write(dir, r)
	})
}

func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	return s.locked(ctx, func(dir *os.Root) error {
		if err := expectVersion(dir, r.Key, r.Version); err != nil {
			return err
		}
		return write(dir, r)
	})
}

// ChangeID writes the new file before it removes the old one. A process that is killed in
// between leaves the session under its old key, and a copy whose ID no client knows.
func (s *store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.locked(ctx, func(dir *os.Root) error {
		err := expectVersion(dir, oldKey, r.Version)
		if err == nil {
			err = expectNone(dir, r.Key)
		}
		if err == nil {
			err = write(dir, r)
		}
		if err == nil {
			err = dir.Remove(fileName(oldKey))
		}
		return err
	})
}

func (s *store) Destroy(ctx context.Context, key string) error {
	return s.locked(ctx, func(dir *os.Root) error {
		if _, err := live(dir, key); err != nil && !errors.Is(err, driver.ErrCorrupt) {
			return err
		}
		return dir.Remove(fileName(key))
	})
}

// Sessions reads the names of all files first, and then one file at a time. A store for
// millions of sessions would have a directory for each first character of a name, and read
// one directory at a time.
func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		keys, err := s.keys(ctx)
		for _, key := range keys {
			_, err = s.Retrieve(ctx, key)
			if err == nil && !yield(key, nil) {
				return
			}
			if err != nil && !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt) {
				break
			}
			err = nil
		}
		if err != nil {
			yield("", err)
		}
	}
}

// DeleteExpired locks the directory for one file at a time, so that no other write waits for
// long.
func (s *store) DeleteExpired(ctx context.Context) (deleted int, err error) {
	keys, err := s.keys(ctx)
	for _, key := range keys {
		err = s.locked(ctx, func(dir *os.Root) error {
			r, err := read(dir, key)
			if err != nil || time.Now().Before(r.Expires) {
				return err
			}
			deleted++
			return dir.Remove(fileName(key))
		})
		if err != nil && !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt) {
			return deleted, err
		}
		err = nil
	}
	return deleted, err
}

// in calls f with the directory. All methods call it, so it checks whether the store is
// closed and whether ctx is done.
func (s *store) in(ctx context.Context, f func(dir *os.Root) error) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if driver.MayCreate(ctx) {
		err = os.MkdirAll(*s.path, 0o700)
	}
	if err == nil {
		var dir *os.Root
		if dir, err = os.OpenRoot(*s.path); err == nil {
			defer dir.Close()
			return f(dir) // errors of dir are about names below it
		}
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err // without the path, which is the DSN
	}
	return fmt.Errorf("files: the directory can't be used: %w", err)
}

// locked is like in, and holds a lock that keeps other writes away, those of other processes
// too. The system releases the lock of a process that is killed.
func (s *store) locked(ctx context.Context, f func(dir *os.Root) error) error {
	return s.in(ctx, func(dir *os.Root) error {
		lock, err := dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer lock.Close()
		for {
			err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			if err == nil {
				return f(dir)
			}
			if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(rand.N(time.Millisecond)):
			}
		}
	})
}

func (s *store) keys(ctx context.Context) (keys []string, err error) {
	err = s.in(ctx, func(dir *os.Root) error {
		files, err := fs.ReadDir(dir.FS(), ".")
		for _, file := range files {
			if key, err := hex.DecodeString(file.Name()); err == nil {
				keys = append(keys, string(key))
			}
		}
		return err
	})
	return keys, err
}

// fileName returns the key in hexadecimal. Keys may differ only by case and may begin with a
// dash, which some file systems and tools can't handle.
func fileName(key string) string { return hex.EncodeToString([]byte(key)) }

func read(dir *os.Root, key string) (*driver.Record, error) {
	b, err := dir.ReadFile(fileName(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return driver.ParseEnvelope(key, b)
}

func live(dir *os.Root, key string) (*driver.Record, error) {
	r, err := read(dir, key)
	if err == nil && !time.Now().Before(r.Expires) {
		return nil, driver.ErrNotFound
	}
	return r, err
}

func expectVersion(dir *os.Root, key string, version uint64) error {
	r, err := live(dir, key)
	if err == nil && r.Version != version {
		return driver.ErrConflict
	}
	return err
}

func expectNone(dir *os.Root, key string) error {
	switch _, err := live(dir, key); {
	case err == nil, errors.Is(err, driver.ErrCorrupt):
		return driver.ErrExists
	case !errors.Is(err, driver.ErrNotFound):
		return err
	}
	return nil
}

// write stores r under a new version, and sets the version in r. The version is random,
// because a counter would have to outlive the file of its session. write creates another file
// and renames it over the old one, so that no reader sees half a record.
func write(dir *os.Root, r *driver.Record) error {
	next := *r
	next.Version = rand.Uint64() | 1
	if err := dir.WriteFile("next", driver.AppendEnvelope(nil, &next), 0o600); err != nil {
		return err
	}
	if err := dir.Rename("next", fileName(r.Key)); err != nil {
		return err
	}
	r.Version = next.Version
	return nil
}
