package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// statements are the statements of a store.
type statements struct {
	create, retrieve, look, flush, touch *query
	flushValues                          *query // nil if the dialect has ComparesColumns
	rename                               *query
	mark                                 *query // nil if the dialect has ReturnsUpdated: rename leaves the mark
	renamed                              *query
	destroy, bury, list, listSubject     *query
	deleteExpired, deleteMarks           *query
	destroyMark, insert                  *query
	destroySubject, destroyOthers        *query

	all []*query
}

// statements returns the statements. Parameters appear in the order of their numbers, for databases
// whose placeholder is "?".
func (s *Store) statements() *statements {
	var st statements
	add := func(text string) *query {
		q := &query{text: s.sql(text)}
		st.all = append(st.all, q)
		return q
	}
	st.create = add(s.create())
	st.retrieve = add(`SELECT {data}, meta, created, expires, subject, version FROM {table} WHERE {id} = $1`)
	st.look = add(`SELECT CASE WHEN {intact} THEN expires END, CASE WHEN {intact} THEN version END FROM {table} WHERE {id} = $1`)
	st.flush = add(`UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = $5
		WHERE {id} = $6 AND version = $7 AND {expires} > $8 AND {intact}`)
	if !s.dialect.ComparesColumns {
		// A column that is not set needs no update of its index. Package session seldom moves the expiry.
		st.flushValues = add(`UPDATE {table} SET {data} = $1, meta = $2, version = $3
			WHERE {id} = $4 AND version = $5 AND {expires} > $6 AND {expires} = $7 AND subject = $8 AND {intact}`)
	}
	st.touch = add(`UPDATE {table} SET expires = $1 WHERE {id} = $2 AND {expires} > $3 AND {intact}`)
	s.addRename(&st, add)
	st.renamed = add(`SELECT renamed_to, {now} - renamed FROM {marks} WHERE id = $1 AND renamed > {now} - $2
		AND NOT EXISTS (SELECT 1 FROM {table} WHERE {id} = $3 AND {expires} > $4)`)
	st.destroy = add(`DELETE FROM {table} WHERE {id} = $1 AND ({expires} > $2 OR {expires} IS NULL)`)
	st.bury = add(`DELETE FROM {table} WHERE {id} = $1 AND {expires} <= $2`)
	st.list = add(`SELECT {id} FROM {table} WHERE {id} > $1 AND {expires} > $2 AND {intact} ORDER BY {id} LIMIT $3`)
	st.listSubject = add(`SELECT {id} FROM {table} WHERE subject = $1 AND subject <> '' AND {id} > $2 AND {expires} > $3 AND {intact} ORDER BY {id} LIMIT $4`)
	t := s.tables()
	st.deleteExpired = add(s.dialect.DeleteBatch(t.Name, t.ID, "expires"))
	st.deleteMarks = add(s.dialect.DeleteBatch(t.Marks, s.dialect.Quote("id"), "renamed"))
	st.destroyMark = add(`DELETE FROM {marks} WHERE id = $1`)
	st.insert = add(`INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	st.destroySubject = add(s.destroySubject(0))
	st.destroyOthers = add(s.destroySubject(1))
	return &st
}

// create returns the statement that inserts a record under a key without a mark.
//
// If the record under the key is being renamed, the INSERT waits until that transaction ends, and
// does not see its mark. So with LockRead, the statement reads the marks again after the INSERT of
// its first row, and if there is one, inserts a second row with the key, which fails.
func (s *Store) create() string {
	const insert = `INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) SELECT $1, $2, $3, $4, $5, $6, $7 `
	if s.dialect.LockRead == "" {
		free, _ := s.free(8)
		return insert + `{dual} WHERE ` + free
	}
	return insert + `FROM (SELECT 1 AS n UNION ALL SELECT 2) AS attempts
		WHERE NOT EXISTS (SELECT 1 FROM {marks} WHERE id = $8 AND renamed > $9)
		AND (n = 1 OR EXISTS (SELECT 1 FROM {marks} WHERE id = CASE n WHEN 2 THEN $10 END AND renamed > $11 {lock}))`
}

// createArgs returns the arguments of the statement create.
func (s *Store) createArgs(key string, data any, meta []byte, created, expires int64, subject string, version int64) []any {
	oldest := oldestMark(now())
	args := append([]any{key, data, meta, created, expires, subject, version}, s.freeArgs(key, oldest)...)
	if s.dialect.LockRead != "" {
		args = append(args, key, oldest)
	}
	return args
}

// free returns the condition that a new key has no mark, and next, the number of the parameter after
// it; n is the number of its first one. If the database reads a snapshot, the key must have no record
// in the snapshot either: another statement may be about to rename that record. Its mark is not in the
// snapshot, and when it has committed, the unique index has no record any more.
func (s *Store) free(n int) (condition string, next int) {
	condition = fmt.Sprintf(`NOT EXISTS (SELECT 1 FROM {marks} WHERE id = $%d AND renamed > $%d)`, n, n+1)
	if !s.dialect.ReadsSnapshot {
		return condition, n + 2
	}
	return condition + fmt.Sprintf(` AND NOT EXISTS (SELECT 1 FROM {table} WHERE {id} = $%d)`, n+2), n + 3
}

// freeArgs returns the arguments of the condition that free returns.
func (s *Store) freeArgs(key string, oldest int64) []any {
	args := []any{key, oldest}
	if s.dialect.ReadsSnapshot {
		args = append(args, key)
	}
	return args
}

// addRename adds the statements that rename a record and leave a mark.
func (s *Store) addRename(st *statements, add func(string) *query) {
	free, next := s.free(10)
	rename := `UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = $5, {id} = $6
		WHERE {id} = $7 AND version = $8 AND {expires} > $9 AND {intact} AND ` + free
	onDuplicate := s.dialect.UpdateDuplicate("id", "renamed_to", "renamed")
	if s.dialect.ReturnsUpdated {
		st.rename = add(`WITH renamed AS (` + rename + ` RETURNING {id}) INSERT INTO {marks} (id, renamed_to, renamed)
			SELECT ` + fmt.Sprintf("$%d", next) + `, {id}, {now} FROM renamed ` + onDuplicate)
		return
	}
	st.rename = add(rename)
	// The rename may have waited for another transaction, which has left a mark under the new key.
	st.mark = add(`INSERT INTO {marks} (id, renamed_to, renamed) SELECT $1, $2, {now} {dual}
		WHERE NOT EXISTS (SELECT 1 FROM {marks} WHERE id = $3 AND renamed > $4) ` + onDuplicate)
}

// destroySubject returns the statement that deletes the sessions of a subject, except with a number
// of keys. It has one list, and not a condition for each key: SQLite has a limit of 1000 nested
// expressions.
func (s *Store) destroySubject(except int) string {
	text := `DELETE FROM {table} WHERE subject = $1 AND subject <> ''`
	if except > 0 {
		places := make([]string, except)
		for i := range places {
			places[i] = s.dialect.Placeholder(2 + i)
		}
		text += ` AND {id} NOT IN (` + strings.Join(places, ", ") + `)`
	}
	return text
}

// prepareStatements returns the statements, prepared unless the store is Unprepared. It fails if
// the table lacks a column.
func (s *Store) prepareStatements(ctx context.Context) (*statements, error) {
	st := s.statements()
	if s.unprepared {
		_, err := lookIn(ctx, s.byItself, st, "")
		if _, retrieved := retrieveIn(ctx, s.byItself, st, "", s.json); err == nil && !errors.Is(retrieved, sql.ErrNoRows) {
			err = retrieved
		}
		return st, err
	}
	for _, q := range st.all {
		var err error
		if q.stmt, err = s.db.PrepareContext(ctx, q.text); err != nil {
			_ = st.close()
			return nil, err
		}
	}
	return st, nil
}

// intact is the condition that a row is not corrupt.
const intact = `{data} IS NOT NULL AND meta IS NOT NULL AND subject IS NOT NULL AND {integers}`

// sql returns a statement with the names and the dialect's placeholders in place of {name} and $1
// to $13.
func (s *Store) sql(text string) string {
	t := s.tables()
	expires := "expires"
	if s.dialect.Unindexed != nil {
		expires = s.dialect.Unindexed(expires)
	}
	text = strings.ReplaceAll(text, "{intact}", intact)
	fill := []string{
		"{table}", t.Name,
		"{schema}", s.qualified("_schema"),
		"{marks}", t.Marks,
		"{integers}", s.dialect.areIntegers("created", "expires", "version"),
		"{expires}", expires,
		"{now}", s.dialect.Now,
		"{dual}", s.dialect.Dual,
		"{lock}", s.dialect.LockRead,
		"{id}", t.ID,
		"{data}", t.Data,
	}
	for n := 13; n >= 1; n-- { // $10 before its prefix $1
		fill = append(fill, fmt.Sprintf("$%d", n), s.dialect.Placeholder(n))
	}
	return strings.NewReplacer(fill...).Replace(text)
}

func (st *statements) close() error {
	var errs []error
	for _, q := range st.all {
		if q.stmt != nil {
			errs = append(errs, q.stmt.Close())
		}
	}
	return errors.Join(errs...)
}
