package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	version := newVersion()
	creation := &write{key: r.Key, version: version, statements: []statement{{st.create, []any{
		r.Key, s.data(r.Data), blob(r.Meta), r.Created.UnixMilli(), r.Expires.UnixMilli(), r.Subject, version,
	}}}}
	err = s.insert(ctx, st, creation, "", r)
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
	err = s.read(ctx, func() error {
		r, err = retrieveIn(s.statementContext(ctx), byItself, st, key, s.json)
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
// sql.ErrNoRows. isJSON is Options.JSON.
func retrieveIn(ctx context.Context, in place, st *statements, key string, isJSON bool) (*driver.Record, error) {
	var found struct { // one allocation for all
		driver.Record
		created, expires, version int64
	}
	r := &found.Record
	err := queryRow(ctx, in(st.retrieve), []any{key}, &r.Data, &r.Meta, &found.created, &found.expires, &r.Subject, &found.version)
	if err != nil {
		return nil, err
	}
	r.Key, r.Version = key, uint64(found.version)
	r.Created, r.Expires = time.UnixMilli(found.created).UTC(), time.UnixMilli(found.expires).UTC()
	switch {
	case found.expires <= now():
		return r, nil
	case r.Data == nil || r.Meta == nil: // NULL; an empty column is not nil
		return nil, driver.ErrCorrupt
	case isJSON:
		r.Data, err = fromJSON(r.Data)
	}
	return r, err
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	data, meta, expires := s.data(r.Data), blob(r.Meta), r.Expires.UnixMilli()
	from, to, now := int64(r.Version), newVersion(), now()
	flush := &write{key: r.Key, version: to, statements: make([]statement, 0, 2)}
	if st.flushValues != nil {
		flush.statements = append(flush.statements, statement{st.flushValues, []any{data, meta, to, r.Key, from, now, expires, r.Subject}})
	}
	flush.statements = append(flush.statements, statement{st.flush, []any{data, meta, expires, r.Subject, to, r.Key, from, now}})
	rows, err := s.execute(ctx, flush)
	switch {
	case err != nil:
		return err
	case rows == 0:
		return s.refusal(ctx, st, r.Key, driver.ErrConflict)
	}
	r.Version = uint64(to)
	return nil
}

// ChangeID implements [driver.Store]. It renames the record and leaves a mark in one transaction or
// one statement.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	version := newVersion()
	change := s.rename(st, oldKey, r, version)
	err = s.insert(ctx, st, change, oldKey, r)
	if err == nil {
		r.Version = uint64(version)
	}
	return err
}

// rename returns the write that renames a record, stores r with that version, and leaves a mark.
func (s *Store) rename(st *statements, oldKey string, r *driver.Record, version int64) *write {
	at := now()
	row := []any{s.data(r.Data), blob(r.Meta), r.Expires.UnixMilli(), r.Subject, version, r.Key, oldKey, int64(r.Version), at}
	mark := []any{oldKey, s.data([]byte("{}")), []byte(r.Key), at, version}
	if st.mark == nil {
		return &write{key: r.Key, version: version, statements: []statement{{st.rename, append(row, mark...)}}}
	}
	return &write{key: r.Key, version: version, statements: []statement{{st.rename, row}}, follow: &statement{st.mark, mark}}
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
	for {
		rows, err := s.execute(ctx, &write{
			statements: []statement{{st.touch, []any{expires.UnixMilli(), key, now()}}},
			idempotent: true,
		})
		if err != nil || rows > 0 {
			return err
		}
		r, err := s.look(ctx, st, key)
		if err = cmp.Or(err, r.missing(now())); err != nil || r.expires.V == expires.UnixMilli() {
			return err
		}
		// MySQL may count only the rows that a statement has changed. The row had the expiry
		// already, and then another writer moved it.
	}
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	rows, err := s.execute(ctx, &write{statements: []statement{{st.destroy, []any{key, now()}}}})
	if err == nil && rows == 0 {
		return driver.ErrNotFound
	}
	return err
}

// DestroySubject implements [driver.SubjectDestroyer], in one statement, with a parameter for each key
// in except: if the database does not allow so many, DestroySubject fails and ends no session. Without
// [Dialect].DeletesMoved, it repeats the statement until no session is left.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	var q *query
	switch len(except) {
	case 0:
		q = st.destroySubject
	case 1:
		q = st.destroyOthers
	default:
		q = s.query(s.destroySubject(len(except)))
	}
	args := []any{subject}
	for _, key := range except {
		args = append(args, key)
	}
	for idle := 0; idle < maxContests; {
		rows, err := s.execute(ctx, &write{statements: []statement{{q, args}}, idempotent: true})
		if err != nil || s.dialect.DeletesMoved {
			return err
		}
		if left, err := s.isLeft(ctx, subject, except); err != nil || !left {
			return err
		}
		if rows == 0 {
			idle++
		}
	}
	return errLeft
}

var errLeft error = &failure{text: "sqlstore: the keys of a subject's sessions change faster than the database deletes these sessions"}

// isLeft reports whether a subject has sessions with other keys than the ones in except.
func (s *Store) isLeft(ctx context.Context, subject string, except []string) (bool, error) {
	for key, err := range s.SubjectSessions(ctx, subject) {
		if err != nil || !slices.Contains(except, key) {
			return err == nil, err
		}
	}
	return false, nil
}

// newVersion returns the version of a record that is about to be written. It is random, so that a
// write whose answer was lost can be recognized, and a key that is destroyed and created again
// repeats no version.
func newVersion() int64 { return rand.Int64N(1<<62) + 1 }

// data returns the argument that a statement binds for the values of a session.
func (s *Store) data(data []byte) any {
	switch {
	case s.json:
		return toJSON(data)
	case s.dialect.Data != nil:
		return s.dialect.Data(data)
	}
	return blob(data)
}

// blob returns b, or an empty slice for nil, which a statement would bind as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
