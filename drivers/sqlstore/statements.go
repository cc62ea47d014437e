package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// statements are prepared for one table.
type statements struct {
	create, retrieve, exists, flush, flushValues, rename, touch *sql.Stmt
	destroy, bury, list, listSubject, deleteExpired             *sql.Stmt
	destroySubject                                              string // with its exceptions still to come

	all []*sql.Stmt
}

// prepareStatements prepares what the store executes. A table that lacks a
// column, or whose key is not unique, is found out here.
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
	st.create = prepare(`INSERT INTO {table} ({id}, {data}, meta, created, expires, subject, version) VALUES ($1, $2, $3, $4, $5, $6, $7) ` +
		s.dialect.IgnoreDuplicate(s.dialect.Quote(s.names.id)))
	st.retrieve = prepare(`SELECT {data}, meta, created, expires, subject, version FROM {table} WHERE {id} = $1 AND expires > $2`)
	st.exists = prepare(`SELECT 1 FROM {table} WHERE {id} = $1 AND expires > $2`)
	st.flush = prepare(`UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = version + 1 WHERE {id} = $5 AND version = $6 AND expires > $7`)
	// What is not set needs no work on its index. Package session moves the expiry seldom.
	st.flushValues = prepare(`UPDATE {table} SET {data} = $1, meta = $2, version = version + 1 WHERE {id} = $3 AND version = $4 AND expires > $5 AND expires = $6 AND subject = $7`)
	st.rename = prepare(`UPDATE {table} SET {data} = $1, meta = $2, expires = $3, subject = $4, version = version + 1, {id} = $8 WHERE {id} = $5 AND version = $6 AND expires > $7`)
	st.touch = prepare(`UPDATE {table} SET expires = $1 WHERE {id} = $2 AND expires > $3`)
	st.destroy = prepare(`DELETE FROM {table} WHERE {id} = $1 AND expires > $2`)
	st.bury = prepare(`DELETE FROM {table} WHERE {id} = $1 AND expires <= $2`)
	st.list = prepare(`SELECT {id} FROM {table} WHERE {id} > $1 AND expires > $2 ORDER BY {id} LIMIT $3`)
	st.listSubject = prepare(`SELECT {id} FROM {table} WHERE subject = $4 AND subject <> '' AND {id} > $1 AND expires > $2 ORDER BY {id} LIMIT $3`)
	st.deleteExpired = prepare(s.dialect.DeleteBatch(s.dialect.Quote(s.names.table), s.dialect.Quote(s.names.id)))
	st.destroySubject = s.sql(`DELETE FROM {table} WHERE subject = $1 AND subject <> ''`)
	if err := errors.Join(errs...); err != nil {
		_ = st.close()
		return nil, errs[0]
	}
	return &st, nil
}

// sql fills in the names, and the dialect's placeholders for $1 to $9.
func (s *Store) sql(query string) string {
	fill := []string{
		"{table}", s.dialect.Quote(s.names.table),
		"{schema}", s.dialect.Quote(s.names.table + "_schema"),
		"{id}", s.dialect.Quote(s.names.id),
		"{data}", s.dialect.Quote(s.names.data),
	}
	for n := 1; n <= 9; n++ {
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
