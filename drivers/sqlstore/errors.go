package sqlstore

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"gosession.dev/session/driver"
)

// failure replaces an error of the database or of its SQL driver, whose text may quote keys, data,
// and the names of constraints and files.
type failure struct {
	text      string
	cause     error // see safeCause; may be nil
	duplicate bool  // see Dialect.IsDuplicate
	lost      bool  // see Dialect.IsLost
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// isDuplicate reports whether err, which withhold has returned, is about a unique constraint.
func isDuplicate(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.duplicate
}

// isLost reports whether err, which withhold has returned, says that a connection ended before the
// answer.
func isLost(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.lost
}

// isLost reports whether an error says that a connection ended before the answer.
func (d Dialect) isLost(err error) bool {
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return d.IsLost != nil && d.IsLost(err)
}

// explain turns an error of the database into an error for callers of the store.
func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	switch end := ended(ctx); {
	case s.closed.Load():
		return driver.ErrClosed
	case err == end:
		return err
	case end != nil:
		return fmt.Errorf("%w (%w)", end, s.withhold(err))
	case s.dialect.IsTooLarge(err):
		return fmt.Errorf("%w: %w", driver.ErrTooLarge, s.withhold(err))
	}
	return s.withhold(err)
}

// ended returns the error of a context that is done. A network operation under the deadline of a
// context may fail a moment before the context is done, so a deadline that has passed counts too.
func ended(ctx context.Context) error {
	if at, limited := ctx.Deadline(); ctx.Err() == nil && limited && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// withhold returns an error that describes err without quoting it. It returns errors of this
// package and of package driver unchanged.
func (s *Store) withhold(err error) error {
	if _, ok := errors.AsType[*failure](err); ok || err == nil || slices.Contains(quotable, err) {
		return err
	}
	f := &failure{cause: safeCause(err), duplicate: s.dialect.IsDuplicate(err), lost: s.dialect.isLost(err)}
	if s.dialect.Explain != nil {
		f.text = s.dialect.Explain(err)
	}
	switch {
	case f.text != "":
	case f.cause != nil:
		f.text = "sqlstore: the database failed: " + f.cause.Error()
	default:
		f.text = fmt.Sprintf("sqlstore: the database failed with an error of type %T; its text is not shown, because it may quote data", err)
	}
	return f
}

// quotable are the errors that withhold returns unchanged.
var quotable = []error{driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrCorrupt, driver.ErrClosed, context.Canceled, context.DeadlineExceeded}

// safeCause returns the error in the chain of err whose text is constant, or nil.
func safeCause(err error) error {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded,
		sql.ErrConnDone, sql.ErrTxDone, sqldriver.ErrBadConn,
		io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return nil
}
