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

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"gosession.dev/session/driver"
)

// The codes of MongoDB's errors that are acted on.
const (
	codeInternalError         = 1
	codeBadValue              = 2
	codeIndexOptionsConflict  = 85
	codeIndexKeySpecsConflict = 86
	codeCommandNotSupported   = 115
	codeNotImplemented        = 238 // FerretDB's
	codeDocumentTooLarge      = 10334
	codeUpdateTooLarge        = 17419
	codeUpsertTooLarge        = 17420
)

func hasCode(err error, codes ...int) bool {
	server := mongo.ServerError(nil)
	return errors.As(err, &server) && slices.ContainsFunc(codes, server.HasErrorCode)
}

// isDuplicate reports whether a write failed because the key is taken. FerretDB 1
// calls that an error of its SQLite where it is an update.
func isDuplicate(err error) bool {
	server := mongo.ServerError(nil)
	return mongo.IsDuplicateKeyError(err) ||
		errors.As(err, &server) && server.HasErrorCodeWithMessage(codeInternalError, "UNIQUE constraint failed")
}

// explain puts an error of MongoDB's driver into the terms of package driver, and
// takes out what it quotes: addresses, which are the DSN, and documents.
func (s *Store) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.isClosed(), s.shared && errors.Is(err, mongo.ErrClientDisconnected):
		return driver.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w (mongo: %s)", ctx.Err(), reason(err))
	case errors.Is(err, context.DeadlineExceeded): // of a parameter of the DSN
		return fmt.Errorf("mongo: %w: %w", reason(err), context.DeadlineExceeded)
	case hasCode(err, codeDocumentTooLarge, codeUpdateTooLarge, codeUpsertTooLarge):
		return fmt.Errorf("%w: %w", driver.ErrTooLarge, reason(err))
	}
	return &serverError{"server", reason(err)}
}

// serverError is an error of a server, or of the connection to it, that quotes neither
// addresses nor documents.
type serverError struct {
	op    string
	cause error
}

func (e *serverError) Error() string { return "mongo: " + e.op + ": " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }

// isNetwork reports whether err left it open what became of a write.
func isNetwork(err error) bool { return mongo.IsNetworkError(err) && !mongo.IsTimeout(err) }

// reason is the part of err that quotes nothing.
func reason(err error) error {
	var (
		selection topology.ServerSelectionError
		command   mongo.CommandError
		write     mongo.WriteException
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
		return fmt.Errorf("write concern failed: %s (code %d)", write.WriteConcernError.Name, write.WriteConcernError.Code)
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		return fmt.Errorf("write refused (code %d)", write.WriteErrors[0].Code)
	case errors.As(err, &command) && command.Code != 0:
		return fmt.Errorf("%s (code %d)", command.Name, command.Code)
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, mongo.ErrClientDisconnected):
		return errors.New("connections were closed because an answer was about another key")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed by the server")
	case errors.As(err, &lookup):
		return errors.New("host not found")
	case errors.As(err, &authority), errors.As(err, &hostname):
		return errors.New("the server's certificate is not trusted, or for another host")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer in time")
	}
	return fmt.Errorf("%T", err)
}
