package mysql

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Errors of a connection say what to do, and quote nothing of the DSN.
func TestConnectionErrors(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	dsn := newDSN(t, server, "")
	free := closedAddress(t)
	for name, tt := range map[string]struct{ dsn, want string }{
		"wrong password":   {as(t, dsn, "intruder:swordfish"), "the user or the password is wrong"},
		"no database":      {strings.Replace(dsn, "/session_", "/swordfish_", 1), "the database does not exist"},
		"nothing listens":  {at(t, dsn, free), "the server can't be reached: connection refused; check that it runs"},
		"no host":          {at(t, dsn, "swordfish.invalid:3306"), "the host name in the DSN"},
		"no socket":        {"swordfish:swordfish@unix(/swordfish/socket)/swordfish", "the server's socket can't be used: no such file or directory"},
		"unknown network":  {"swordfish:swordfish@swordfish(swordfish)/swordfish", "the network in the DSN is unknown"},
		"no TLS":           {dsn + "?tls=true", "the server has no TLS"},
		"another protocol": {at(t, dsn, speaking(t, "HTTP/1.1 400 Bad Request\r\nServer: swordfish\r\n\r\n")), "mysql: "},
		"closes":           {at(t, dsn, speaking(t, "")), "the connection was lost"},
		"hangs":            {dead(t) + "?timeout=100ms", "the server has not answered a new connection within the DSN's timeout"},
		"unknown zone":     {dsn + "?time_zone='Swordfish%2FNowhere'", "the server does not know the time zone"},
		"unknown variable": {dsn + "?max_execution_time=5", "the server does not know a system variable that the DSN sets"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			s := open(t, tt.dsn)
			err := s.(driver.Pinger).Ping(ctx)
			require.ErrorContains(t, err, tt.want)
			for _, part := range []string{"swordfish", "session_", "127.0.0.1", "intruder"} {
				require.NotContains(t, strings.ToLower(err.Error()), part)
			}
			require.NotErrorIs(t, err, driver.ErrNotFound)
		})
	}
}

// closedAddress returns an address at which nothing listens.
func closedAddress(t *testing.T) string {
	addr, _ := testserver.Later(t, "")
	return addr
}

// speaking returns the address of a server that greets each client by a text, and closes the connection.
func speaking(t *testing.T, greeting string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, greeting)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// The errors of a user who may not create tables, and of a server that is read-only, say so. Where the
// tables exist, the user needs no other privileges, and the store reads from a read-only server.
func TestLacksPrivileges(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	if server.Server == nil {
		t.Skip("the test needs a server that it may make read-only")
	}
	database := server.NewDatabase(t)
	admin := newDSNIn(server, database)
	user := as(t, admin, grant(t, server, database, "SELECT, INSERT, UPDATE, DELETE"))
	require.ErrorContains(t, open(t, user).(driver.Pinger).Ping(t.Context()), "mysql: the user lacks a privilege (error 1142)")
	require.NoError(t, open(t, admin).Create(t.Context(), record("k")))
	require.NoError(t, open(t, user).(driver.Pinger).Ping(t.Context()))
	server.Exec(t, "", "SET GLOBAL read_only = ON")
	defer server.Exec(t, "", "SET GLOBAL read_only = OFF")
	for params, want := range map[string]string{"": "mysql: the server is read-only (error 1290)", "?rejectReadOnly=true": "mysql: the server is read-only, or"} {
		s := open(t, user+params)
		_, err := s.Retrieve(t.Context(), "k")
		require.NoError(t, err)
		require.ErrorContains(t, s.(driver.Pinger).Ping(t.Context()), want)
		require.ErrorContains(t, s.Destroy(t.Context(), "k"), want)
	}
}

// A TLS connection works with a certificate that the client trusts. Otherwise the error says what is
// wrong with the certificate.
func TestTLS(t *testing.T) {
	files := certificate(t)
	server := testserver.StartMariaDB(t, volatile, "ssl-cert="+files.cert, "ssl-key="+files.key)
	if server.Server == nil {
		t.Skip("the test needs a server with a certificate of its own")
	}
	pool := x509.NewCertPool()
	pool.AddCert(files.parsed)
	require.NoError(t, mysql.RegisterTLSConfig("session-test", &tls.Config{RootCAs: pool, ServerName: "db.internal"}))
	require.NoError(t, mysql.RegisterTLSConfig("session-other-name", &tls.Config{RootCAs: pool, ServerName: "other.internal"}))
	for params, want := range map[string]string{
		"tls=session-test":       "",
		"tls=skip-verify":        "",
		"tls=preferred":          "",
		"tls=true":               "the server's certificate is",
		"tls=session-other-name": "the server's certificate is for another host name",
	} {
		dsn := newDSN(t, server, params)
		err := open(t, dsn).(driver.Pinger).Ping(t.Context())
		if want != "" {
			require.ErrorContains(t, err, want, params)
			require.NotContains(t, err.Error(), "internal", params)
			continue
		}
		require.NoError(t, err, params)
		var name, cipher string
		require.NoError(t, direct(t, dsn).QueryRow("SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
		require.NotEmpty(t, cipher, params)
	}
}

type certificateFiles struct {
	cert, key string
	parsed    *x509.Certificate
}

// certificate writes a certificate for the name db.internal, which has signed itself.
func certificate(t *testing.T) certificateFiles {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"db.internal"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "mysql") //nolint:usetesting // only root can enter root's t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	files := certificateFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), parsed}
	for name, block := range map[string]*pem.Block{files.cert: {Type: "CERTIFICATE", Bytes: der}, files.key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o644))
	}
	return files
}

// Every error that go-sql-driver exports has an explanation.
func TestExplain(t *testing.T) {
	for _, err := range []error{
		mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrNoTLS, mysql.ErrCleartextPassword, mysql.ErrNativePassword, mysql.ErrOldPassword,
		mysql.ErrUnknownPlugin, mysql.ErrOldProtocol, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrPktTooLarge, mysql.ErrBusyBuffer,
		&mysql.MySQLError{Number: 1045, Message: "Access denied for user 'swordfish'@'host'"},
		&mysql.MySQLError{Number: 9999, Message: "swordfish"},
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH},
		&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
		&net.OpError{Op: "dial", Net: "swordfish", Err: net.UnknownNetworkError("swordfish")},
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "swordfish", IsNotFound: true}},
		errors.New("unsupported protocol version 9. Version 10 or higher is required"),
		tls.AlertError(42),
		fmt.Errorf("tls: %w", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
		x509.HostnameError{Certificate: &x509.Certificate{}, Host: "swordfish"},
		x509.CertificateInvalidError{Reason: x509.Expired},
	} {
		text := explain(err)
		require.True(t, strings.HasPrefix(text, "mysql: "), "explain(%T %v) = %q", err, err, text)
		require.NotContains(t, text, "swordfish")
	}
	require.Empty(t, explain(errors.New("swordfish")))
}

// go-sql-driver logs errors of connections, by default to stderr. A store logs nothing.
func TestLogsNothing(t *testing.T) {
	var logged strings.Builder
	require.NoError(t, mysql.SetLogger(log.New(&logged, "", 0)))
	server := testserver.StartMariaDB(t, volatile)
	s, proxy := behindProxy(t, server, "")
	for range 5 {
		proxy.ResetOnce(0)
		_ = s.Create(t.Context(), record("k"))
		proxy.Down()
		require.Error(t, s.Create(t.Context(), record("l")))
		proxy.Heal()
	}
	require.Empty(t, logged.String())
}
