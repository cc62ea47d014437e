package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	// A random start, so that a key that was destroyed and is created again does
	// not repeat a version.
	version := rand.Int64N(1<<62) + 1
	for {
		rows, err := s.exec(ctx, st.create, r.Key, s.dialect.Data(r.Data), blob(r.Meta), r.Created.UnixMilli(), r.Expires.UnixMilli(), r.Subject, version)
		if err != nil {
			return err
		}
		if rows > 0 {
			r.Version = uint64(version)
			return nil
		}
		if err := s.makeWay(ctx, st, r.Key); err != nil {
			return err
		}
	}
}

// makeWay deletes the record under key if it has expired, and returns ErrExists
// if it has not. That there is none, any more, is fine.
func (s *Store) makeWay(ctx context.Context, st *statements, key string) error {
	if _, err := s.exec(ctx, st.bury, key, now()); err != nil {
		return err
	}
	switch live, err := s.isLive(ctx, st, key); {
	case err != nil:
		return err
	case live:
		return driver.ErrExists
	}
	return nil
}

// isLive reports whether there is a live record under key.
func (s *Store) isLive(ctx context.Context, st *statements, key string) (bool, error) {
	var one int
	err := s.retry(ctx, func() error {
		return st.exists.QueryRowContext(s.statementContext(ctx), key, now()).Scan(&one)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.explain(ctx, err)
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	st, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	r := &driver.Record{Key: key}
	var created, expires, version int64
	err = s.retry(ctx, func() error {
		return st.retrieve.QueryRowContext(s.statementContext(ctx), key, now()).Scan(&r.Data, &r.Meta, &created, &expires, &r.Subject, &version)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, driver.ErrNotFound
	case err != nil:
		return nil, s.explain(ctx, err)
	}
	r.Created, r.Expires = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	r.Version = uint64(version)
	return r, nil
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	data, version, now := s.dialect.Data(r.Data), int64(r.Version), now()
	return s.replace(ctx, st, r.Key, r,
		statement{st.flushValues, []any{data, blob(r.Meta), r.Key, version, now, r.Expires.UnixMilli(), r.Subject}},
		statement{st.flush, []any{data, blob(r.Meta), r.Expires.UnixMilli(), r.Subject, r.Key, version, now}})
}

// ChangeID implements [driver.Store]. It is one statement, as Flush is.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	for {
		args := []any{s.dialect.Data(r.Data), blob(r.Meta), r.Expires.UnixMilli(), r.Subject, oldKey, int64(r.Version), now(), r.Key}
		err := s.replace(ctx, st, oldKey, r, statement{st.rename, args})
		if !s.dialect.IsDuplicate(err) {
			return err
		}
		if err := s.makeWay(ctx, st, r.Key); err != nil {
			return err
		}
	}
}

// replace writes r, by the first statement that concerns a row, over the record under
// key if that is of r's version.
func (s *Store) replace(ctx context.Context, st *statements, key string, r *driver.Record, statements ...statement) error {
	rows, err := s.execFirst(ctx, statements...)
	if err != nil {
		return err
	}
	if rows > 0 {
		r.Version++
		return nil
	}
	switch live, err := s.isLive(ctx, st, key); {
	case err != nil:
		return err
	case live:
		return driver.ErrConflict
	}
	return driver.ErrNotFound
}

// Touch implements [driver.Toucher]. The version stays, so that it is no conflict
// for a request that writes.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	rows, err := s.exec(ctx, st.touch, expires.UnixMilli(), key, now())
	if err == nil && rows == 0 {
		return driver.ErrNotFound
	}
	return err
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	rows, err := s.exec(ctx, st.destroy, key, now())
	if err == nil && rows == 0 {
		return driver.ErrNotFound
	}
	return err
}

// DestroySubject implements [driver.SubjectDestroyer], in one statement.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	query, args := st.destroySubject, []any{subject}
	for i, key := range except {
		query += " AND " + s.dialect.Quote(s.names.id) + " <> " + s.dialect.Placeholder(i+2)
		args = append(args, key)
	}
	return s.asWriter(ctx, func() error {
		_, err := s.db.ExecContext(ctx, query, args...)
		return err
	})
}

// Ping implements [driver.Pinger]: it prepares the table if need be, and looks
// into it.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Retrieve(ctx, "")
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

// blob is never nil, which would be NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
