package sqlstore

import (
	"cmp"
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
	creation := &write{statements: []statement{{st.create, []any{
		r.Key, s.dialect.Data(r.Data), blob(r.Meta), r.Created.UnixMilli(), r.Expires.UnixMilli(), r.Subject, version,
		r.Key, oldestMark(now()),
	}}}}
	err = s.place(ctx, st, creation, "", r)
	if err == nil {
		r.Version = uint64(version)
	}
	return err
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
		return queryRow(s.statementContext(ctx), st.retrieve, []any{key}, &r.Data, &r.Meta, &created, &expires, &r.Subject, &version)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && expires <= now():
		return nil, driver.ErrNotFound
	case err != nil:
		return nil, s.explain(ctx, err)
	case r.Data == nil || r.Meta == nil: // NULL: what is empty is not nil
		return nil, driver.ErrCorrupt
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
	rows, err := s.execute(ctx, &write{statements: []statement{
		{st.flushValues, []any{data, blob(r.Meta), r.Key, version, now, r.Expires.UnixMilli(), r.Subject}},
		{st.flush, []any{data, blob(r.Meta), r.Expires.UnixMilli(), r.Subject, r.Key, version, now}},
	}})
	switch {
	case err != nil:
		return err
	case rows == 0:
		return s.refusal(ctx, st, r.Key, driver.ErrConflict)
	}
	r.Version++
	return nil
}

// ChangeID implements [driver.Store]. The statement that moves the record and the one
// that leaves a mark are one transaction.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	at := now()
	change := &write{
		statements: []statement{{st.rename, []any{
			s.dialect.Data(r.Data), blob(r.Meta), r.Expires.UnixMilli(), r.Subject, r.Key,
			oldKey, int64(r.Version), at, r.Key, oldestMark(at),
		}}},
		follow: func() statement { return statement{st.mark, []any{oldKey, r.Key}} },
	}
	err = s.place(ctx, st, change, oldKey, r)
	if err == nil {
		r.Version++
	}
	return err
}

// refusal returns why a write concerned no row: there is no live record under key
// (ErrNotFound), it can't be read (ErrCorrupt), or the error for all other cases.
func (s *Store) refusal(ctx context.Context, st *statements, key string, otherwise error) error {
	r, err := s.look(ctx, st, key)
	if err != nil {
		return err
	}
	return cmp.Or(r.missing(now()), otherwise)
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
		return s.refusal(ctx, st, key, driver.ErrNotFound)
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
		_, err := s.db.ExecContext(s.statementContext(ctx), query, args...)
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
