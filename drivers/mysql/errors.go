package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"gosession.dev/session/drivers/sqlstore"
)

// errConnect says that the server has accepted no connection in time.
var errConnect = errors.New("no connection in time")

// explanations are descriptions of errors of go-sql-driver.
var explanations = []struct {
	err  error
	text string
}{
	{errConnect, "the server has not answered a new connection within the DSN's timeout; check that it runs and is not overloaded"},
	{driver.ErrBadConn, "the server is read-only, or closes connections"},
	{mysql.ErrNoTLS, "the server has no TLS; set it up there, or change the DSN's parameter tls"},
	{mysql.ErrCleartextPassword, "the server asks for the password in clear text; if the connection is secure, add allowCleartextPasswords=true to the DSN"},
	{mysql.ErrNativePassword, "the server asks for authentication by mysql_native_password, which the DSN forbids; remove allowNativePasswords from the DSN, or change the user's plugin"},
	{mysql.ErrOldPassword, "the server asks for authentication by a password of MySQL 4.0; give the user a new password"},
	{mysql.ErrUnknownPlugin, "the server asks for an authentication plugin that go-sql-driver does not have; give the user another, such as caching_sha2_password or ed25519"},
	{mysql.ErrOldProtocol, "the server is too old"},
	{mysql.ErrPktSync, "the connection was lost: its answers belong to other calls"},
	{mysql.ErrPktSyncMul, "the connection was lost: its answers belong to other calls"},
	{mysql.ErrBusyBuffer, "the connection was lost: it is in use by another call"},
	{mysql.ErrMalformPkt, "the server sent a malformed packet; check that the DSN's port is one of MySQL or MariaDB"},
}

// explain describes an error without quoting data, names, addresses, or other parts of the DSN. It
// returns "" for an unknown error.
func explain(err error) string {
	if text := sqlstore.MySQL.Explain(err); text != "" {
		return text
	}
	for _, known := range explanations {
		if errors.Is(err, known.err) {
			return "mysql: " + known.text
		}
	}
	switch text := explainTLS(err); {
	case text != "":
		return "mysql: " + text
	case strings.HasPrefix(err.Error(), "unsupported protocol version"):
		return "mysql: the server speaks another protocol; check the port in the DSN"
	}
	return explainDial(err)
}

// explainTLS describes errors of a TLS handshake.
func explainTLS(err error) string {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server refuses the TLS connection: " + alert.Error()
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host name; use that name in the DSN, or register a TLS configuration with ServerName"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is of an unknown authority; register a TLS configuration with it in RootCAs, and name it in the DSN's parameter tls"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the server's certificate is not valid, for example because it has expired"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate can't be verified"
	}
	return ""
}

// explainDial describes errors of dialing.
func explainDial(err error) string {
	const hint = "; check that it runs, and the address in the DSN"
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "mysql: the host name in the DSN is unknown"
		}
		return "mysql: the host name in the DSN can't be looked up; check the name server"
	}
	if _, ok := errors.AsType[net.UnknownNetworkError](err); ok {
		return "mysql: the network in the DSN is unknown; want tcp(host:3306) or unix(/path/of/socket), or a name that mysql.RegisterDialContext of go-sql-driver has registered"
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "dial" {
		return ""
	}
	errno, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case isErrno && slices.Contains([]syscall.Errno{syscall.ENOENT, syscall.EACCES}, errno):
		return "mysql: the server's socket can't be used: " + errno.Error() + hint
	case isErrno:
		return "mysql: the server can't be reached: " + errno.Error() + hint
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "mysql: the server can't be reached: it does not answer in time" + hint
	}
	return "mysql: the server can't be reached" + hint
}
