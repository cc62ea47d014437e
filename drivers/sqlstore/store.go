package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	// Versions start at a random number, so that a key that is destroyed and created again does not
	// repeat one.
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
	var r *driver.Record
	err = s.retry(ctx, func() error {
		r, err = retrieveIn(s.statementContext(ctx), byItself, st, key)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && r.Expires.UnixMilli() <= now():
		return nil, driver.ErrNotFound
	case err != nil:
		return nil, s.explain(ctx, err)
	}
	return r, nil
}

// retrieveIn returns the record under key, expired or not. If there is none, the error is
// sql.ErrNoRows.
func retrieveIn(ctx context.Context, in prepared, st *statements, key string) (*driver.Record, error) {
	r := &driver.Record{Key: key}
	var created, expires, version int64
	err := queryRow(ctx, in(st.retrieve), []any{key}, &r.Data, &r.Meta, &created, &expires, &r.Subject, &version)
	if err != nil {
		return nil, err
	}
	r.Created, r.Expires = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	r.Version = uint64(version)
	if expires > now() && (r.Data == nil || r.Meta == nil) { // NULL; an empty column is not nil
		return nil, driver.ErrCorrupt
	}
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

// ChangeID implements [driver.Store]. It renames the record and stores a mark in one transaction.
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

// refusal returns the error of a write that affected no row: ErrNotFound if key has no live record,
// ErrCorrupt if the row is corrupt, and otherwise the last argument.
func (s *Store) refusal(ctx context.Context, st *statements, key string, otherwise error) error {
	r, err := s.look(ctx, st, key)
	if err != nil {
		return err
	}
	return cmp.Or(r.missing(now()), otherwise)
}

// Touch implements [driver.Toucher]. It does not change the version, so that it causes no conflict
// for a concurrent Flush.
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

// DestroySubject implements [driver.SubjectDestroyer], in one statement, with a parameter for each key
// in except: if the database does not allow so many, DestroySubject fails and ends no session.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	query, args := st.destroySubject, []any{subject}
	if len(except) > 0 {
		places := make([]string, len(except))
		for i, key := range except {
			args = append(args, key)
			places[i] = s.dialect.Placeholder(len(args))
		}
		// One list, and not a condition for each key: SQLite has a limit of 1000 nested expressions.
		query += " AND " + s.dialect.Quote(s.names.id) + " NOT IN (" + strings.Join(places, ", ") + ")"
	}
	return s.asWriter(ctx, func() error {
		_, err := s.db.ExecContext(s.statementContext(ctx), query, args...)
		return err
	})
}

// blob returns b, or an empty slice for nil, which a statement would bind as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
