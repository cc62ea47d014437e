package boltdriver

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"gosession.dev/session/driver"
)

// A store is one user of a file.
type store struct {
	path   *string // behind a pointer, so that package fmt does not print it with the store
	file   *file   // nil before the first use
	closed bool
}

// A file is open only once in a process, because bbolt locks it: all stores of a path share it.
type file struct {
	db     *bbolt.DB
	writer chan struct{} // full while a transaction writes
	stores int           // the last one closes the file
}

// mutex guards files, the number of stores of each file, and the fields of all stores.
var (
	mutex sync.Mutex
	files = make(map[string]*file) // by path
)

// view calls f in a transaction that reads.
func (s *store) view(ctx context.Context, f func(*bbolt.Tx) error) error {
	file, err := s.open(ctx)
	if err == nil {
		err = file.db.View(f)
	}
	return s.translate(err)
}

// update calls f in a transaction that writes, and writes nothing if f fails. It waits for other
// writes itself, because bbolt would not stop waiting when ctx is done.
func (s *store) update(ctx context.Context, f func(*bbolt.Tx) error) error {
	file, err := s.open(ctx)
	if err != nil {
		return s.translate(err)
	}
	select {
	case file.writer <- struct{}{}:
		defer func() { <-file.writer }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.translate(file.db.Update(f))
}

// open returns the file of the store. All methods call it, so it checks whether the store is
// closed and whether ctx is done. It tries again while another process has the lock, because
// bbolt would not stop waiting when ctx is done.
func (s *store) open(ctx context.Context) (*file, error) {
	for {
		f, err := s.tryOpen(ctx)
		if !errors.Is(err, bbolterrors.ErrTimeout) {
			return f, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *store) tryOpen(ctx context.Context) (*file, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if s.closed {
		return nil, driver.ErrClosed
	}
	if ctx.Err() != nil || s.file != nil {
		return s.file, ctx.Err()
	}
	f := files[*s.path]
	if f == nil {
		db, err := openDB(*s.path, driver.MayCreate(ctx))
		if err != nil {
			return nil, err
		}
		f = &file{db: db, writer: make(chan struct{}, 1)}
		files[*s.path] = f
	}
	f.stores++
	s.file = f
	return f, nil
}

// Close closes the file after its last store. bbolt lets transactions that have begun finish.
func (s *store) Close() error {
	mutex.Lock()
	defer mutex.Unlock()
	f := s.file
	s.closed, s.file = true, nil
	if f == nil {
		return nil
	}
	if f.stores--; f.stores > 0 {
		return nil
	}
	delete(files, *s.path)
	return s.translate(f.db.Close())
}

var errMissing = errors.New("bolt: the file has no sessions, and this call must not create anything")

// openDB opens the file, with its buckets, and creates what is missing if it may. If another
// process has the lock, openDB returns ErrTimeout at once.
func openDB(path string, mayCreate bool) (*bbolt.DB, error) {
	if info, err := os.Stat(path); !mayCreate && (err != nil || info.Size() == 0) {
		return nil, errMissing
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Nanosecond})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range [][]byte{records, subjects, marks} {
			if !mayCreate && tx.Bucket(bucket) == nil {
				return errMissing
			}
			if _, err := tx.CreateBucketIfNotExists(bucket); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// translate takes the path out of errors of bbolt: it is the DSN.
func (s *store) translate(err error) error {
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return driver.ErrClosed
	}
	if err != nil && strings.Contains(err.Error(), *s.path) {
		return errors.New("bolt: " + strings.ReplaceAll(err.Error(), *s.path, "the file"))
	}
	return err
}
