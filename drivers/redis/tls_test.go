package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/port"
	"gosession.dev/session/internal/testserver"
)

// authority issues certificates, as files of a directory.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// file returns the name of a file.
func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	if template == a.cert {
		a.cert, err = x509.ParseCertificate(der)
		require.NoError(t, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		require.NoError(t, os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600))
	}
}

// The store checks the certificate of the server, and shows its own.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server", &x509.Certificate{DNSNames: []string{"redis.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	a.issue(t, "client", &x509.Certificate{})
	addr, release, err := port.Reserve()
	require.NoError(t, err)
	t.Cleanup(release)
	_, number, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	testserver.StartRedis(t, "--tls-port", number, "--tls-cert-file", a.file("server.crt"), "--tls-key-file", a.file("server.key"), "--tls-ca-cert-file", a.file("ca.crt"))
	ca, client := "ca_file="+a.file("ca.crt"), "&cert_file="+a.file("client.crt")+"&key_file="+a.file("client.key")
	for params, want := range map[string]string{
		ca + client: "",
		ca + client + "&server_name=redis.example":   "",
		"insecure_skip_verify=true" + client:         "",
		ca + client + "&server_name=another.example": "is not trusted, or is for another host; see the DSN parameters ca_file and server_name",
		client[1:]:                     "is not trusted",
		ca:                             "redis: ", // the server resets the connection, or sends an alert
		"ca_file=" + a.file("ca.key"):  "ca_file names can't be read, or has no certificate in PEM format",
		"ca_file=" + a.file("missing"): "ca_file names can't be read",
		ca + client + ".":              "cert_file and key_file name can't be read",
		ca + client + "&insecure_skip_verify=nah": "insecure_skip_verify",
	} {
		s, err := Driver{}.Open("rediss://" + addr + "?" + params)
		if err == nil {
			err = s.(*Store).Ping(t.Context())
			require.NoError(t, s.Close())
		}
		if want == "" {
			require.NoError(t, err, params)
			continue
		}
		require.ErrorContains(t, err, want, params)
		require.NotContains(t, err.Error(), a.dir)
	}
}
