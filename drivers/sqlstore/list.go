package sqlstore

import (
	"context"
	"iter"
	"slices"

	"gosession.dev/session/driver"
)

// pageSize is the number of keys that a listing reads at a time.
const pageSize = 500

var errRepeats error = &failure{text: "sqlstore: a listing returned the same keys again, because the key's column has values that are not text; delete these rows"}

// Sessions implements [driver.Store].
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.pages(ctx, func(st *statements) *query { return st.list })
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.pages(ctx, func(st *statements) *query { return st.listSubject }, subject)
}

// pages yields the keys that a statement finds, page by page. Each page begins after the last key
// of the previous one. No cursor or connection is held across a yield.
func (s *Store) pages(ctx context.Context, stmt func(*statements) *query, more ...any) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		for last := ""; ; {
			page, err := s.page(ctx, stmt, last, more)
			if err == nil && len(page) > 0 && page[len(page)-1] == last {
				err = errRepeats
			}
			if !yield(page, err) || len(page) < pageSize {
				return
			}
			last = page[len(page)-1]
		}
	})
}

// page returns the page of keys after a key.
func (s *Store) page(ctx context.Context, stmt func(*statements) *query, after string, more []any) (keys []string, err error) {
	st, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(more), after, now(), pageSize)
	err = s.read(ctx, func() error {
		keys, err = queryKeys(s.statementContext(ctx), byItself(stmt(st)), args)
		return err
	})
	return keys, s.explain(ctx, err)
}

// queryKeys returns the keys that q finds.
func queryKeys(ctx context.Context, q runner, args []any) ([]string, error) {
	rows, err := q.QueryContext(ctx, args...)
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
