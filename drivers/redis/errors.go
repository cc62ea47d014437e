package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"gosession.dev/session/driver"
)

// serverError is an error of a server or of the connection to it. It quotes nothing of the DSN and
// of the server's text but the code of an error.
type serverError struct {
	code  string // the first word of a server's error, or ""
	cause error
	lost  bool // the command may have been executed
}

func (e *serverError) Error() string { return "redis: " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }

// hasCode reports whether the server has answered with the error of that code.
func hasCode(err error, code string) bool {
	e, ok := errors.AsType[*serverError](err)
	return ok && e.code == code
}

// isLost reports whether a command got no answer.
func isLost(err error) bool {
	e, ok := errors.AsType[*serverError](err)
	return ok && e.lost
}

// unsent returns err for a command that was not sent.
func (s *Store) unsent(err error) error {
	if e, ok := errors.AsType[*serverError](err); ok && e.lost {
		return &serverError{cause: e.cause}
	}
	return err
}

// explain returns the error for a failed call.
func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	answer, answered := errors.AsType[*rueidis.RedisError](err)
	if !answered && !errors.Is(err, ctx.Err()) {
		s.link.drop()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.link.isClosed(), errors.Is(err, driver.ErrClosed):
		return driver.ErrClosed
	case answered:
		err := refusal(answer.Error())
		if hasCode(err, "READONLY") || hasCode(err, "MASTERDOWN") {
			s.link.reset() // the primary may have another address now
		}
		return err
	}
	return &serverError{cause: redact(err), lost: true}
}

var (
	errUnexpected = errors.New("redis: the server gave an answer that no script of this version gives")
	errOtherKey   = errors.New("redis: the server's answer is about another key than the one asked for; the connection is closed")
	errNoAnswer   = fmt.Errorf("the server did not answer in time (%w)", os.ErrDeadlineExceeded)
	errClosedConn = errors.New("the connection was closed")
	errHost       = errors.New("host not found")
	errTrust      = errors.New("the server's certificate is not trusted, or is for another host; see the DSN parameters ca_file and server_name")
	errTLS        = errors.New("TLS failed: the server may not speak it, or may want a certificate; see the DSN parameters cert_file and key_file")
	errFailed     = errors.New("the connection failed")
)

// redact returns an error that tells the kind of err and quotes nothing of its text.
func redact(err error) error {
	if known, ok := errors.AsType[setupError](err); ok {
		return known
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && !lookup.IsTimeout {
		return errHost
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errTrust
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return errTrust
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return errTLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return errTLS
	}
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case timeout != nil && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errNoAnswer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, rueidis.ErrClosing), errors.Is(err, fs.ErrClosed):
		return errClosedConn
	}
	return errFailed
}

// refusal returns the error for a server's error.
func refusal(text string) error {
	code, _, _ := strings.Cut(text, " ")
	if meanings[code] == "" {
		code = codeWithin(text)
	}
	switch {
	case meanings[code] != "":
		return &serverError{code: code, cause: fmt.Errorf("the server %s (%s)", meanings[code], code)}
	case strings.Contains(text, "non local key"): // in a script
		return refusal("TRYAGAIN")
	case text == rueidis.Nil.Error(), strings.Contains(text, "No such master"):
		return &serverError{cause: errors.New("the sentinels watch no primary of the name in the DSN")}
	case strings.Contains(text, "DB index is out of range"):
		return &serverError{cause: errors.New("the server has no database of the number in the DSN")}
	case strings.Contains(text, "unknown command"), strings.Contains(text, "syntax error"):
		return &serverError{cause: errors.New("the server does not know a command or option that the store needs: it must be Redis 6.2 or later")}
	}
	return &serverError{cause: errors.New("the server refused a command")}
}

// codeWithin returns the code of an error that a script has met. Redis 6.2 puts it into a text of
// its own: "Error running script ...: -OOM command not allowed ...".
func codeWithin(text string) string {
	for code := range meanings {
		if strings.Contains(text, "-"+code+" ") {
			return code
		}
	}
	return ""
}

// meanings says what happens and what to do, by the codes of Redis' errors.
var meanings = map[string]string{
	"BUSY":        "is running a script of another client for too long; wait, or end it with SCRIPT KILL",
	"CLUSTERDOWN": "belongs to a cluster that is down, or has no primary for the store's slot; repair the cluster",
	"CROSSSLOT":   "belongs to a cluster; use a DSN that begins with redis+cluster://, or set Options.Cluster",
	"DENIED":      "is in protected mode, and accepts no connections from other machines; set a password there",
	"LOADING":     "is loading its data after a start; try again later",
	"MASTERDOWN":  "is a replica that has lost its primary; name the primary in the DSN, or use redis+sentinel",
	"MISCONF":     "can't save its data to disk and refuses writes; look into its log",
	"MOVED":       "belongs to a cluster; use a DSN that begins with redis+cluster://, or set Options.Cluster",
	"NOAUTH":      "wants a password; put user:password@ before the host of the DSN",
	"NOPERM":      "refuses a command or key to the user; ACL SETUSER must permit what the package comment lists",
	"NOREPLICAS":  "has fewer replicas than its min-replicas-to-write and refuses writes",
	"NOSCRIPT":    "does not know the script",
	"OOM":         "has reached its maxmemory and can evict nothing; give it more memory",
	"READONLY":    "is a replica, which refuses writes; name the primary in the DSN, or use redis+sentinel",
	"TRYAGAIN":    "is moving the store's slot to another server of the cluster; try again later",
	"UNKILLABLE":  "is running a script of another client for too long",
	"WRONGPASS":   "refuses the user or the password of the DSN",
	"WRONGTYPE":   "has a value of another type under a name of the store; another program uses the prefix",
}
