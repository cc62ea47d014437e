// Package boltdriver keeps sessions in a file of bbolt, a key-value store in pure Go. It is an
// example of a driver with optional interfaces, for an embedded database: read it after
// filedriver, and copy it.
//
// Importing the package registers the driver "bolt". Its DSN is the path of the file, which the
// first use creates; its directory has to exist.
//
// Only one process can use a file, because bbolt locks it: a call of a second process waits
// until the first process ends or the context is done. The stores of one process share the file
// if their paths are the same. By another path, such as a link, a process waits for itself.
//
// Each write waits until the disk has the data. No acknowledged write is lost, and there are no
// more than some hundred writes per second. No context ends the wait for a disk. The file grows
// with the sessions and never shrinks; it must not be replaced while it is in use.
package boltdriver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("bolt", Driver{}) }

// Driver opens stores that keep all records in one file.
type Driver struct{}

// Open returns a store for dsn, the path of a file. It only validates the path. There are no
// parameters, so it rejects a path with a question mark.
func (Driver) Open(dsn string) (driver.Store, error) {
	path, err := filepath.Abs(dsn)
	if err != nil || dsn == "" || strings.ContainsAny(dsn, "?\x00") {
		return nil, errors.New("bolt: malformed DSN; want the path of a file, and no parameters")
	}
	return &store{path: &path}, nil
}

var (
	_ driver.Store            = (*store)(nil)
	_ driver.Toucher          = (*store)(nil)
	_ driver.Pinger           = (*store)(nil)
	_ driver.SubjectLister    = (*store)(nil)
	_ driver.SubjectDestroyer = (*store)(nil)
	_ driver.RenameTracker    = (*store)(nil)
)

// The buckets of a file.
var (
	records  = []byte("records")  // from keys to records
	subjects = []byte("subjects") // the index: entries with the subject, a NUL and the key
	marks    = []byte("marks")    // from old keys to the time of the ChangeID and the new key
)

// pageSize is how many entries of a bucket a listing or a sweep reads in one transaction.
const pageSize = 200

// A transaction of bbolt happens completely or not at all, and no other one writes meanwhile. So
// each method reads, compares and writes in one transaction.

func (s *store) Create(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, r, func(tx *bbolt.Tx) error { return expectNone(tx, r.Key) })
}

// Retrieve clones what it returns, because bbolt reuses the memory after the transaction.
func (s *store) Retrieve(ctx context.Context, key string) (r *driver.Record, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		if r, err = live(tx, key); err == nil {
			r.Data, r.Meta = bytes.Clone(r.Data), bytes.Clone(r.Meta)
		}
		return err
	})
	return r, err
}

func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, r, func(tx *bbolt.Tx) error { return expectVersion(tx, r.Key, r.Version) })
}

func (s *store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.write(ctx, r, func(tx *bbolt.Tx) error {
		if err := expectVersion(tx, oldKey, r.Version); err != nil {
			return err
		}
		if err := expectNone(tx, r.Key); err != nil {
			return err
		}
		now := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
		return errors.Join(remove(tx, oldKey), tx.Bucket(marks).Put([]byte(oldKey), append(now, r.Key...)))
	})
}

// Touch rewrites the record, because the expiry is a part of it.
func (s *store) Touch(ctx context.Context, key string, expires time.Time) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		r, err := live(tx, key)
		if err != nil {
			return err
		}
		r.Expires = expires
		return put(tx, r)
	})
}

func (s *store) Destroy(ctx context.Context, key string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		if _, err := live(tx, key); err != nil && !errors.Is(err, driver.ErrCorrupt) {
			return err
		}
		return remove(tx, key)
	})
}

func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, records, "", liveOf(""))
}

func (s *store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, subjects, subject+"\x00", liveOf(subject))
}

// DestroySubject ends all sessions in one transaction, so that no ChangeID comes in between.
func (s *store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		prefix := []byte(subject + "\x00")
		for from := prefix; from != nil; {
			var entries []string
			entries, from = find(tx, subjects, prefix, from, liveOf(subject))
			for _, entry := range entries {
				if slices.Contains(except, keyOf(entry)) {
					continue
				}
				if err := remove(tx, keyOf(entry)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *store) Renamed(ctx context.Context, key string) (rename driver.Rename, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		rename, err = mark(tx, key)
		return err
	})
	return rename, err
}

// DeleteExpired removes records first, and then the entries of the index that have no record.
func (s *store) DeleteExpired(ctx context.Context) (deleted int, err error) {
	if deleted, err = s.sweep(ctx, records, recordEnded); err == nil {
		_, err = s.sweep(ctx, subjects, entryEnded)
	}
	if err == nil {
		_, err = s.sweep(ctx, marks, markEnded)
	}
	return deleted, err
}

// Ping commits an empty transaction. That writes to the file too.
func (s *store) Ping(ctx context.Context) error {
	return s.update(ctx, func(*bbolt.Tx) error { return nil })
}

// write stores r under a new version, in one transaction with what first compares and removes.
// The version is random, because a counter would have to outlive its session.
func (s *store) write(ctx context.Context, r *driver.Record, first func(*bbolt.Tx) error) error {
	next := *r
	next.Version = rand.Uint64() | 1
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		if err := first(tx); err != nil {
			return err
		}
		return put(tx, &next)
	})
	if err == nil {
		r.Version = next.Version
	}
	return err
}

// list yields the keys of the entries that begin with prefix and are wanted.
func (s *store) list(ctx context.Context, bucket []byte, prefix string, wanted filter) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for entries, err := range s.pages(ctx, bucket, prefix, wanted) {
			for _, entry := range entries {
				if err = ctx.Err(); err != nil {
					break
				}
				if !yield(keyOf(entry), nil) {
					return
				}
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}

// sweep deletes the entries that have ended, each page in one transaction. It looks at them
// again there, because a session may have been touched meanwhile.
func (s *store) sweep(ctx context.Context, bucket []byte, ended filter) (deleted int, err error) {
	for entries, err := range s.pages(ctx, bucket, "", ended) {
		n := 0
		if err == nil && len(entries) > 0 {
			err = s.update(ctx, func(tx *bbolt.Tx) error {
				for _, entry := range entries {
					if !ended(tx, entry) {
						continue
					}
					if err := tx.Bucket(bucket).Delete([]byte(entry)); err != nil {
						return err
					}
					n++
				}
				return nil
			})
		}
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// pages reads each page in a transaction of its own. None is open while the caller has a page.
func (s *store) pages(ctx context.Context, bucket []byte, prefix string, wanted filter) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for from := []byte(prefix); from != nil; {
			var page []string
			err := s.view(ctx, func(tx *bbolt.Tx) error {
				page, from = find(tx, bucket, []byte(prefix), from, wanted)
				return nil
			})
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// A filter picks entries of a bucket.
type filter func(tx *bbolt.Tx, entry string) bool

// find reads pageSize of the entries that begin with prefix. It returns those that are wanted,
// and the entry that follows: nil if there is none.
func find(tx *bbolt.Tx, bucket, prefix, from []byte, wanted filter) (found []string, next []byte) {
	cursor := tx.Bucket(bucket).Cursor()
	next, _ = cursor.Seek(from)
	for n := 0; n < pageSize && next != nil && bytes.HasPrefix(next, prefix); n++ {
		if wanted(tx, string(next)) {
			found = append(found, string(next))
		}
		next, _ = cursor.Next()
	}
	if !bytes.HasPrefix(next, prefix) {
		return found, nil
	}
	return found, bytes.Clone(next)
}

// keyOf returns the key of an entry in the index, or in another bucket.
func keyOf(entry string) string { return entry[strings.IndexByte(entry, 0)+1:] }

// liveOf picks live records, of one subject or of all. It looks at the subject of the record,
// because the index keeps the entry of a record that was corrupt when it was destroyed.
func liveOf(subject string) filter {
	return func(tx *bbolt.Tx, entry string) bool {
		r, err := live(tx, keyOf(entry))
		return err == nil && (subject == "" || r.Subject == subject)
	}
}

func recordEnded(tx *bbolt.Tx, key string) bool {
	r, err := read(tx, key)
	return err == nil && !time.Now().Before(r.Expires)
}

func entryEnded(tx *bbolt.Tx, entry string) bool {
	r, err := read(tx, keyOf(entry))
	return errors.Is(err, driver.ErrNotFound) || err == nil && entry != indexEntry(r)
}

func markEnded(tx *bbolt.Tx, key string) bool {
	_, err := mark(tx, key)
	return err != nil
}

func indexEntry(r *driver.Record) string { return r.Subject + "\x00" + r.Key }

func read(tx *bbolt.Tx, key string) (*driver.Record, error) {
	value := tx.Bucket(records).Get([]byte(key))
	if value == nil {
		return nil, driver.ErrNotFound
	}
	return driver.ParseEnvelope(key, value)
}

func live(tx *bbolt.Tx, key string) (*driver.Record, error) {
	r, err := read(tx, key)
	if err == nil && !time.Now().Before(r.Expires) {
		return nil, driver.ErrNotFound
	}
	return r, err
}

func mark(tx *bbolt.Tx, key string) (driver.Rename, error) {
	value := tx.Bucket(marks).Get([]byte(key))
	if len(value) < 8 {
		return driver.Rename{}, driver.ErrNotFound
	}
	age := time.Since(time.UnixMilli(int64(binary.BigEndian.Uint64(value))))
	if age >= driver.MarkLifetime {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: string(value[8:]), Age: max(age, 0)}, nil
}

func expectVersion(tx *bbolt.Tx, key string, version uint64) error {
	r, err := live(tx, key)
	if err == nil && r.Version != version {
		return driver.ErrConflict
	}
	return err
}

func expectNone(tx *bbolt.Tx, key string) error {
	_, err := live(tx, key)
	if err == nil || errors.Is(err, driver.ErrCorrupt) {
		return driver.ErrExists
	}
	if _, err := mark(tx, key); err == nil {
		return driver.ErrExists
	}
	return nil
}

// put replaces what is under r.Key, which may be an expired record of another subject.
func put(tx *bbolt.Tx, r *driver.Record) error {
	value := driver.AppendEnvelope(nil, r)
	if len(value) > bbolt.MaxValueSize {
		return fmt.Errorf("%w: %d bytes, and bbolt allows %d", driver.ErrTooLarge, len(value), bbolt.MaxValueSize)
	}
	err := remove(tx, r.Key)
	if err == nil {
		err = tx.Bucket(records).Put([]byte(r.Key), value)
	}
	if err == nil && r.Subject != "" {
		err = tx.Bucket(subjects).Put([]byte(indexEntry(r)), nil)
	}
	return err
}

// remove leaves the index as it is if the record is corrupt, because nobody knows its subject.
func remove(tx *bbolt.Tx, key string) error {
	r, err := read(tx, key)
	if err == nil {
		err = tx.Bucket(subjects).Delete([]byte(indexEntry(r)))
	}
	if err != nil && !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt) {
		return err
	}
	return tx.Bucket(records).Delete([]byte(key))
}
