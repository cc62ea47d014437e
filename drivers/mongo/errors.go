package mongo

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	wiredriver "go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"gosession.dev/session/driver"
)

const ( // codes of MongoDB's errors
	codeInternalError         = 1
	codeBadValue              = 2
	codeIndexOptionsConflict  = 85
	codeIndexKeySpecsConflict = 86
	codeCommandNotSupported   = 115
	codeDocumentInvalid       = 121
	codeNotImplemented        = 238 // FerretDB's
	codeDocumentTooLarge      = 10334
	codeDuplicate             = 11000
	codeUpdateTooLarge        = 17419
	codeUpsertTooLarge        = 17420
)

func hasCode(err error, codes ...int) bool {
	server := mongo.ServerError(nil)
	return errors.As(err, &server) && slices.ContainsFunc(codes, server.HasErrorCode)
}

// isDuplicate reports whether a write was refused as a duplicate in a unique index. For an update
// FerretDB 1 reports that as an internal error, with the text of its SQLite.
func isDuplicate(err error) bool {
	server := mongo.ServerError(nil)
	return mongo.IsDuplicateKeyError(err) ||
		errors.As(err, &server) && server.HasErrorCodeWithMessage(codeInternalError, "UNIQUE constraint failed")
}

// explain turns an error of MongoDB's driver into one of package driver where there is one. The
// result quotes neither addresses, which are part of the DSN, nor documents.
func (s *Store) explain(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || mongo.IsTimeout(err) {
		awaitDeadline(ctx)
	}
	about := indexError("")
	switch {
	case err == nil:
		return nil
	case errors.As(err, &about):
		return about
	case s.isClosed(), s.shared && errors.Is(err, mongo.ErrClientDisconnected):
		return driver.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w (mongo: %s)", ctx.Err(), reason(err))
	case errors.Is(err, context.DeadlineExceeded): // a timeout that a parameter of the DSN sets
		return fmt.Errorf("mongo: %w: %w", reason(err), context.DeadlineExceeded)
	case hasCode(err, codeDocumentTooLarge, codeUpdateTooLarge, codeUpsertTooLarge):
		return fmt.Errorf("%w: %w", driver.ErrTooLarge, reason(err))
	}
	return &serverError{"server", reason(err)}
}

// early is how long before the deadline of a context MongoDB's driver may give up.
const early = 50 * time.Millisecond

// awaitDeadline waits for a deadline that is about to pass, so that ctx has an error when MongoDB's
// driver reports the timeout.
func awaitDeadline(ctx context.Context) {
	if at, ok := ctx.Deadline(); ok && time.Until(at) < early {
		<-ctx.Done()
	}
}

// serverError is an error of a server or of the connection to it. It quotes neither addresses nor
// documents.
type serverError struct {
	op    string
	cause error
}

func (e *serverError) Error() string { return "mongo: " + e.op + ": " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }

// isNetwork reports whether a write with the error err has an unknown outcome because its connection
// failed. That includes a write that was not sent because the error of another call has cleared the
// connection pool.
func isNetwork(err error) bool {
	var pool wiredriver.RetryablePoolError
	return mongo.IsNetworkError(err) && !mongo.IsTimeout(err) || errors.As(err, &pool) && pool.Retryable()
}

// twice makes a call, and repeats it if its connection was closed, as idle connections are when the
// server restarts. MongoDB's driver itself retries reads, and writes to replica sets, but not if the
// retry meets a connection pool that the errors of other calls have cleared. The call must be
// idempotent.
func twice(ctx context.Context, call func() error) error {
	err := call()
	if isNetwork(err) && ctx.Err() == nil {
		err = call()
	}
	return err
}

// reason returns an error that tells the kind of err and quotes nothing of its text: no address, no
// document, and no text of a server, not even the name of a code.
func reason(err error) error {
	var (
		selection topology.ServerSelectionError
		command   mongo.CommandError
		write     mongo.WriteException
		wire      wiredriver.Error
		errno     syscall.Errno
		lookup    *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
	)
	if errors.As(err, &selection) {
		for _, server := range selection.Desc.Servers {
			if server.LastError != nil {
				return fmt.Errorf("no server can be used: %w", reason(server.LastError))
			}
		}
		return errors.New("no server can be used")
	}
	switch {
	case errors.As(err, &write) && write.WriteConcernError != nil:
		return refused("the write was not acknowledged by the majority", write.WriteConcernError.Code)
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		return refused("write refused", write.WriteErrors[0].Code)
	case errors.As(err, &command) && command.Code != 0:
		return refused("command refused", int(command.Code))
	case errors.As(err, &wire) && wire.Code != 0:
		return refused("command refused", int(wire.Code))
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, mongo.ErrClientDisconnected):
		return errors.New("connections were closed because an answer was about another key")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isNetwork(err) && !mongo.IsTimeout(err):
		return errors.New("the server closed the connection")
	case errors.As(err, &lookup):
		return errors.New("host not found")
	case errors.As(err, &authority), errors.As(err, &hostname):
		return errors.New("the server's certificate is not trusted, or is for another host")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errNoAnswer
	}
	return fmt.Errorf("%T", err)
}

// errNoAnswer wraps a net.Error whose Timeout method returns true.
var errNoAnswer = fmt.Errorf("no answer in time (%w)", os.ErrDeadlineExceeded)

// meanings explains MongoDB's codes that concern set-up and operation.
var meanings = map[int]string{
	13:                        "the user is not authorized",
	18:                        "authentication failed",
	20:                        "a collection of this kind does not support it",
	50:                        "time limit exceeded",
	64:                        "write concern timed out",
	73:                        "invalid name of a database or collection",
	79:                        "unknown write concern",
	91:                        "the server shuts down",
	100:                       "not enough servers for the majority",
	codeDocumentInvalid:       "the collection has validation rules that refuse it",
	codeIndexOptionsConflict:  "an index of the same fields has other options",
	codeIndexKeySpecsConflict: "an index of the same name has other fields",
	codeDuplicate:             "a duplicate in a unique index",
	166:                       "the collection is a view",
	189:                       "the primary steps down",
	8000:                      "authentication or another service of Atlas failed",
	10107:                     "the server is not the primary",
	11600:                     "the server shuts down",
	11602:                     "the primary steps down",
	13435:                     "the server is not the primary",
}

// refused returns an error with the code and its meaning, if that is known.
func refused(what string, code int) error {
	if meaning := meanings[code]; meaning != "" {
		return fmt.Errorf("%s: %s (code %d)", what, meaning, code)
	}
	return fmt.Errorf("%s (code %d)", what, code)
}
