package memcache

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// serverError is an error of a server or of the connection to it. Neither its text nor the cause
// quotes a DSN or an answer.
type serverError struct {
	server string // its place in the DSN, or ""
	op     string // the network operation, or ""
	cause  error
}

func (e *serverError) Error() string {
	text := "memcached: "
	if e.server != "" {
		text = "memcached, " + e.server + ": "
	}
	if e.op != "" {
		text += e.op + ": "
	}
	if errors.Is(e.cause, io.EOF) {
		return text + "the server closed the connection"
	}
	return text + e.cause.Error()
}

func (e *serverError) Unwrap() error { return e.cause }

// explain returns err without the addresses of servers, which are part of the DSN, and without
// answers, which may contain a session's data. It adds the server's place in the DSN.
func (s *Store) explain(err error, server string) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	e := &serverError{server: server, cause: redact(err)}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		e.op = op.Op
	} else if _, ok := errors.AsType[*memcache.ConnectTimeoutError](err); ok {
		e.op = "dial"
	}
	return e
}

// safeErrors are errors whose texts quote nothing.
var safeErrors = []error{
	context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, net.ErrClosed,
	errUnexpected, errOtherKey, errOutOfMemory, errNoTokens, errTooLarge, errTooBig, errCantList, errCutOff, errLostAtOnce,
	memcache.ErrMalformedKey, memcache.ErrNoServers,
}

var (
	errHost   = errors.New("host not found")
	errFailed = errors.New("the connection failed")
)

// redact returns an error that tells the kind of err and quotes nothing of its text. For an error
// that it does not know, such as one of an application's DialContext, it returns errFailed.
func redact(err error) error {
	var timeout *memcache.ConnectTimeoutError
	errno, isErrno := errors.AsType[syscall.Errno](err)
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	_, reported, isReported := strings.Cut(err.Error(), `"SERVER_ERROR `)
	switch {
	case isErrno:
		return errno
	case errors.As(err, &timeout), isLookup && lookup.IsTimeout:
		return context.DeadlineExceeded
	case isLookup:
		return errHost
	}
	for _, known := range safeErrors {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.EOF
	case isReported:
		return unexpected("SERVER_ERROR " + reported)
	case strings.HasPrefix(err.Error(), "memcache: "):
		return errUnexpected
	}
	return errFailed
}
