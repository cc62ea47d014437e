package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// statements are the prepared statements of a store.
type statements struct {
	create, retrieve, look, flush, flushValues, touch *sql.Stmt
	rename, mark, renamed                             *sql.Stmt
	destroy, bury, list, listSubject                  *sql.Stmt
	deleteExpired, deleteMarks, destroyMark           *sql.Stmt
	destroySubject                                    string // DestroySubject appends the exceptions

	all []*sql.Stmt
}

// prepareStatements prepares all statements. It fails if the table lacks a column or its key is
// not unique.
func (s *Store) prepareStatements(ctx context.Context) (*statements, error) {
	var st statements
	var errs []error
	prepare := func(query string) *sql.Stmt {
		stmt, err := s.db.PrepareContext(ctx, s.sql(query))
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		st.all = append(st.all, stmt)
		return stmt
	}
	// Parameters appear in the order of their numbers, for databases whose placeholder is "?".
	q := s.dialect.Quote
	st.create = prepare(`INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE NOT EXISTS (SELECT 1 FROM {marks} WHERE id = $8 AND renamed > $9) ` + s.dialect.IgnoreDuplicate(q(s.names.id)))
	st.retrieve = prepare(`SELECT {data}, meta, created, expires, subject, version FROM {table} WHERE {id} = $1`)
	st.look = prepare(`SELECT CASE WHEN {intact} THEN expires END, CASE WHEN {intact} THEN version END FROM {table} WHERE {id} = $1`)
	st.flush = prepare(`UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = version + 1
		WHERE {id} = $5 AND version = $6 AND expires > $7 AND {intact}`)
	// A column that is not set needs no update of its index. Package session seldom moves the expiry.
	st.flushValues = prepare(`UPDATE {table} SET {data} = $1, meta = $2, version = version + 1
		WHERE {id} = $3 AND version = $4 AND expires > $5 AND expires = $6 AND subject = $7 AND {intact}`)
	st.touch = prepare(`UPDATE {table} SET expires = $1 WHERE {id} = $2 AND expires > $3 AND {intact}`)
	st.rename = prepare(`UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = version + 1, {id} = $5
		WHERE {id} = $6 AND version = $7 AND expires > $8 AND {intact} AND NOT EXISTS (SELECT 1 FROM {marks} WHERE id = $9 AND renamed > $10)`)
	st.mark = prepare(`INSERT INTO {marks} (id, renamed_to, renamed) VALUES ($1, $2, {now}) ` + s.dialect.UpdateDuplicate("id", "renamed_to", "renamed"))
	st.renamed = prepare(`SELECT renamed_to, {now} - renamed FROM {marks} WHERE id = $1 AND renamed > {now} - $2
		AND NOT EXISTS (SELECT 1 FROM {table} WHERE {id} = $3 AND expires > $4)`)
	st.destroy = prepare(`DELETE FROM {table} WHERE {id} = $1 AND (expires > $2 OR expires IS NULL)`)
	st.bury = prepare(`DELETE FROM {table} WHERE {id} = $1 AND expires <= $2`)
	st.list = prepare(`SELECT {id} FROM {table} WHERE {id} > $1 AND expires > $2 AND {intact} ORDER BY {id} LIMIT $3`)
	st.listSubject = prepare(`SELECT {id} FROM {table} WHERE subject = $1 AND subject <> '' AND {id} > $2 AND expires > $3 AND {intact} ORDER BY {id} LIMIT $4`)
	st.deleteExpired = prepare(s.dialect.DeleteBatch(q(s.names.table), q(s.names.id), "expires"))
	st.deleteMarks = prepare(s.dialect.DeleteBatch(q(s.names.table+"_marks"), "id", "renamed"))
	st.destroyMark = prepare(`DELETE FROM {marks} WHERE id = $1`)
	st.destroySubject = s.sql(`DELETE FROM {table} WHERE subject = $1 AND subject <> ''`)
	if len(errs) > 0 {
		_ = st.close()
		return nil, errs[0]
	}
	return &st, nil
}

// intact is the condition that a row is not corrupt.
const intact = `{data} IS NOT NULL AND meta IS NOT NULL AND subject IS NOT NULL AND {integers}`

// sql returns query with the names and the dialect's placeholders in place of {name} and $1 to $10.
func (s *Store) sql(query string) string {
	query = strings.ReplaceAll(query, "{intact}", intact)
	fill := []string{
		"{table}", s.dialect.Quote(s.names.table),
		"{schema}", s.dialect.Quote(s.names.table + "_schema"),
		"{marks}", s.dialect.Quote(s.names.table + "_marks"),
		"{integers}", s.dialect.AreIntegers("created", "expires", "version"),
		"{now}", s.dialect.Now,
		"{id}", s.dialect.Quote(s.names.id),
		"{data}", s.dialect.Quote(s.names.data),
	}
	for n := 10; n >= 1; n-- { // $10 before its prefix $1
		fill = append(fill, fmt.Sprintf("$%d", n), s.dialect.Placeholder(n))
	}
	return strings.NewReplacer(fill...).Replace(query)
}

func (st *statements) close() error {
	var errs []error
	for _, stmt := range st.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}
