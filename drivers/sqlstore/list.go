package sqlstore

import (
	"context"
	"database/sql"
	"iter"
	"slices"
)

// pageSize is how many keys a listing reads at a time.
const pageSize = 500

// Sessions implements [driver.Store].
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.pages(ctx, func(st *statements) *sql.Stmt { return st.list })
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.pages(ctx, func(st *statements) *sql.Stmt { return st.listSubject }, subject)
}

// pages yields the keys that a statement finds, page by page, each of which
// begins behind the last key of the one before. Nothing is held open meanwhile.
func (s *Store) pages(ctx context.Context, stmt func(*statements) *sql.Stmt, more ...any) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for last := ""; ; {
			page, err := s.page(ctx, stmt, last, more)
			if err != nil {
				yield("", err)
				return
			}
			for _, last = range page {
				if ctx.Err() != nil {
					yield("", ctx.Err())
					return
				}
				if !yield(last, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, stmt func(*statements) *sql.Stmt, after string, more []any) (keys []string, err error) {
	st, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(more), after, now(), pageSize)
	err = s.retry(ctx, func() error {
		keys, err = query(s.statementContext(ctx), stmt(st), args)
		return err
	})
	return keys, s.explain(ctx, err)
}

func query(ctx context.Context, stmt *sql.Stmt, args []any) ([]string, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}
