package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"gosession.dev/session/driver"
)

// A server may close the connection of a client that sends a statement larger than it accepts, and
// MariaDB refuses all later uses of a prepared statement one of whose values was too large. So the
// store asks for the limit before it sends its first large statement, and again before one that is
// larger than the limit: an operator may have raised it.

// minLarge is the size of statements that every server accepts.
const minLarge = 1 << 14

var errStatementTooLarge = fmt.Errorf("%w: %w", driver.ErrTooLarge, &failure{text: "sqlstore: the statement is larger than the server accepts; see max_allowed_packet"})

// largeSize returns the size of w in bytes, or 0 if every server accepts w.
func (s *Store) largeSize(w *write) int64 {
	if s.dialect.MaxStatement == "" {
		return 0
	}
	size := w.size(s.unprepared)
	if size <= minLarge {
		return 0
	}
	return size
}

// exceeds asks for the limit, and reports whether a statement of that size is larger. If it gets no
// answer, it reports false: the statement then has the error.
func (s *Store) exceeds(ctx context.Context, size int64) bool {
	var most int64
	err := s.read(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.dialect.MaxStatement).Scan(&most)
	})
	if err != nil {
		return false
	}
	s.maxStatement.Store(most)
	return size > most
}

// size returns the size in bytes of the largest statement of w with its arguments. asText declares
// that the arguments are a part of the text, where some bytes are escaped by another.
func (w *write) size(asText bool) (most int64) {
	statements := w.statements
	if w.follow != nil {
		statements = append(slices.Clone(statements), *w.follow)
	}
	for _, st := range statements {
		size := len(st.text) + maxOtherArgs
		for _, arg := range st.args {
			switch arg := arg.(type) {
			case []byte:
				size += sizeOf(arg, asText)
			case string:
				size += sizeOf(arg, asText)
			}
		}
		most = max(most, int64(size))
	}
	return most
}

// maxOtherArgs is the maximum size of a statement's numbers, and of what surrounds its arguments.
const maxOtherArgs = 500

// sizeOf returns the size of an argument.
func sizeOf[T []byte | string](arg T, asText bool) int {
	size := len(arg)
	for i := 0; i < len(arg) && asText; i++ {
		switch arg[i] {
		case 0, '\n', '\r', 0x1a, '\'', '"', '\\':
			size++
		}
	}
	return size
}
