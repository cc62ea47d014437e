package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"gosession.dev/session/drivers/sqlstore"
)

// refusal is an error of the checks at first use. Its text quotes nothing.
type refusal string

func (r refusal) Error() string { return "postgres: " + string(r) }

const (
	errStandby   refusal = "the server is a standby, whose records lag behind; name the primary server"
	errEncoding  refusal = "client_encoding is not UTF8; set client_encoding=UTF8 where the application connects"
	errCommit    refusal = "synchronous_commit is off, so a crash of the server would lose acknowledged writes; set it to on, for instance by synchronous_commit=on in the DSN, or accept the loss by synchronous_commit=off there"
	errUnlogged  refusal = "the table is unlogged, so a crash of the server would empty it; execute ALTER TABLE ... SET LOGGED, or accept the loss by unlogged=true in the DSN (Options.Unlogged)"
	errNotUnique refusal = "the column of the key is not unique after each statement; make it the primary key, and not DEFERRABLE"
	errTemporary refusal = "the table is temporary, and belongs to one connection; name another table"
	errNoBytes   refusal = "the column of the values does not have the type bytea; change its type, or add data=jsonb to the DSN (Options.JSON) if it holds JSON or text"
	errNoJSON    refusal = "the column of the values has none of the types jsonb, json, text and varchar, which data=jsonb (Options.JSON) is for; change its type, or remove data=jsonb"
)

// explain is the Explain of the dialect. It describes errors of PostgreSQL, and errors of
// connecting, whose texts name the user, the database and the host.
func explain(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.Error()
	}
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return explainStatement(err)
	}
	var reasons []string
	for _, attempt := range attempts(failed.Unwrap()) {
		if reason := explainAttempt(attempt); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return "postgres: no connection to the server: " + strings.Join(reasons, "; ")
}

// explainStatement describes the error of a statement.
func explainStatement(err error) string {
	text := sqlstore.PostgreSQL.Explain(err)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "26000" || pg.Code == "42P05") {
		return "postgres: a pooler of connections, such as PgBouncer in transaction mode, does not keep prepared statements; add default_query_exec_mode=exec to the DSN (SQLSTATE " + pg.Code + ")"
	}
	if text == "" && errors.Is(err, pgconn.ErrConnClosed) {
		return "postgres: the connection was lost"
	}
	return text
}

// attempts returns the errors of the attempts to connect, one for each address, with and without TLS.
func attempts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "hostname resolving error") {
		return attempts(inner)
	}
	return []error{err}
}

// explainAttempt describes why an attempt to connect failed.
func explainAttempt(err error) string {
	if text := sqlstore.PostgreSQL.Explain(err); text != "" {
		return refusedStartup(err, strings.TrimPrefix(text, "postgres: "))
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name of the host can't be resolved; check the host"
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{syscall.ECONNREFUSED, "nothing listens at the host and port; start the server, or check the host and the port"},
		{syscall.ENOENT, "there is no socket of a server; start the server, or name the host"},
		{os.ErrPermission, "the socket of the server can't be opened; check its permissions"},
		{context.Canceled, "the context was cancelled"},
		{context.DeadlineExceeded, "the server did not answer in time; check the host, the port and firewalls"},
		{pgconn.ErrStandbyConnection, "the server is a standby; name the primary server, or all servers of the cluster"},
		{pgconn.ErrReadOnlyConnection, "the server is a standby or read-only; name the primary server, or all servers of the cluster"},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	if pgconn.Timeout(err) {
		return "the server did not answer in time; check the host, the port and firewalls"
	}
	return explainTLS(err)
}

// refusedStartup adds to the description of an error of the server what to do about it, if the
// server refuses the parameters of the connection.
func refusedStartup(err error, text string) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && pg.Code == "28000":
		return text + "; check the user, the database and sslmode against pg_hba.conf"
	case ok && pg.Code == "08P01":
		return text + "; if it is a PgBouncer, it accepts a parameter of the DSN only if its setting ignore_startup_parameters names the parameter"
	case ok && slices.Contains([]string{"22023", "42704", "42501"}, pg.Code):
		return text + "; check the settings of the server in the DSN"
	}
	return text
}

// explainTLS describes errors of the handshake. Their texts name hosts.
func explainTLS(err error) string {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, header := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	switch {
	case authority:
		return "the certificate of the server is signed by an unknown authority; name its certificate by sslrootcert"
	case hostname:
		return "the certificate of the server is for another host; connect to the name in the certificate"
	case invalid:
		return "the certificate of the server is expired or not valid"
	case header, alert:
		return "the TLS handshake failed"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return "the server does not offer TLS; set ssl = on in its configuration, or sslmode=disable on a trusted network"
	}
	if _, ok := errors.AsType[syscall.Errno](err); !ok {
		return "the connection ended, or the server requires another way to authenticate"
	}
	return "the network failed"
}
