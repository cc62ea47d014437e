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
	mark                                 *query // nil if rename leaves the mark too
	renamed, clock                       *query
	destroy, bury, list, listSubject     *query
	deleteBatch                          *query
	destroyMark                          *query
	destroySubject, destroyOthers        *query

	all []*query
}

// statements returns the statements. Parameters appear in the order of their numbers, for databases
// whose placeholder is "?".
func (s *Store) statements() *statements {
	var st statements
	add := func(text string) *query {
		q := s.query(text)
		st.all = append(st.all, q)
		return q
	}
	st.create = add(`INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
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
	st.renamed = add(`SELECT meta, {now} + expires FROM {table} WHERE {id} = $1 AND {expires} < 0`)
	st.clock = add(`SELECT {now}`)
	st.destroy = add(`DELETE FROM {table} WHERE {id} = $1 AND ({expires} > $2 OR {expires} IS NULL)`)
	st.bury = add(`DELETE FROM {table} WHERE {id} = $1 AND ({expires} BETWEEN 0 AND $2 OR {expires} BETWEEN $3 AND -1)`)
	st.list = add(`SELECT {id} FROM {table} WHERE {id} > $1 AND {expires} > $2 AND {intact} ORDER BY {id} LIMIT $3`)
	st.listSubject = add(`SELECT {id} FROM {table} WHERE subject = $1 AND subject <> '' AND {id} > $2 AND {expires} > $3 AND {intact} ORDER BY {id} LIMIT $4`)
	t := s.tables()
	st.deleteBatch = add(s.dialect.DeleteBatch(t.Name, t.ID))
	st.destroyMark = add(`DELETE FROM {table} WHERE {id} = $1 AND {expires} < 0`)
	st.destroySubject = add(s.destroySubject(0))
	st.destroyOthers = add(s.destroySubject(1))
	return &st
}

// addRename adds the statements that change the key of a row, and insert the mark under its old key.
// The row stays the same one, so that a DestroySubject that waits for the rename deletes it.
func (s *Store) addRename(st *statements, add func(string) *query) {
	const rename = `UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = $5, {id} = $6
		WHERE {id} = $7 AND version = $8 AND {expires} > $9 AND {intact}`
	const mark = `INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) `
	if s.dialect.ReturnsUpdated {
		st.rename = add(`WITH renamed AS (` + rename + ` RETURNING 1) ` + mark + `SELECT $10, $11, $12, $13, -{now}, '', $14 FROM renamed`)
		return
	}
	st.rename = add(rename)
	st.mark = add(mark + `VALUES ($1, $2, $3, $4, -{now}, '', $5)`)
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
		_, err := lookIn(ctx, byItself, st, "")
		if _, retrieved := retrieveIn(ctx, byItself, st, "", s.json); err == nil && !errors.Is(retrieved, sql.ErrNoRows) {
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
		q.byItself = q.stmt
	}
	return st, nil
}

// query returns a query that is not prepared.
func (s *Store) query(text string) *query {
	text = s.sql(text)
	return &query{text: text, byItself: unprepared{s.db, text}}
}

// intact is the condition that a row is not corrupt.
const intact = `{data} IS NOT NULL AND meta IS NOT NULL AND subject IS NOT NULL AND {integers}`

// sql returns a statement with the names and the dialect's placeholders in place of {name} and $1
// to $14.
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
		"{integers}", s.dialect.areIntegers("created", "expires", "version"),
		"{expires}", expires,
		"{now}", s.dialect.Now,
		"{id}", t.ID,
		"{data}", t.Data,
	}
	for n := 14; n >= 1; n-- { // $10 before its prefix $1
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
