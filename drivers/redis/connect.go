package redis

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	"github.com/redis/rueidis"
)

// refresh is how often a client asks the sentinels or the cluster where the primaries are.
const refresh = 5 * time.Second

const bufferSize = 128 << 10

// connect makes a client, which connects at once.
func (d dsn) connect(c *conns) (rueidis.Client, error) {
	o := d.client
	o.DialCtxFn = c.dial
	o.Dialer.Timeout = d.timeout
	o.Dialer.KeepAlive = time.Second // an idle connection is tested so often
	o.ConnWriteTimeout = d.timeout   // for the answer to the test
	o.PipelineMultiplex = -1         // one connection for all calls
	o.AlwaysPipelining = true
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferSize, bufferSize
	o.BlockingPoolSize, o.BlockingPoolCleanup = 32, time.Minute // connections for WAIT
	o.DisableRetry = true                                       // the store itself knows which calls may be repeated
	o.DisableCache = true                                       // a session that has ended must not be found
	o.Sentinel.Dialer = o.Dialer
	o.Sentinel.TopologyRefreshInterval = refresh
	o.ClusterOption.ShardsRefreshInterval = refresh
	if d.useTLS {
		config, err := d.tls.config()
		if err != nil {
			return nil, err
		}
		o.TLSConfig, o.Sentinel.TLSConfig = config, config
	}
	client, err := rueidis.NewClient(o)
	if err != nil && client != nil {
		client.Close()
		client = nil
	}
	return client, err
}

// tlsFiles are the TLS parameters of a DSN.
type tlsFiles struct {
	ca, cert, key string // names of PEM files, or ""
	serverName    string // "" is the host that is dialed
	insecure      bool
}

// setupError is an error in the files of a DSN, which it does not name.
type setupError string

func (e setupError) Error() string { return string(e) }

// config reads the files.
func (f tlsFiles) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName, InsecureSkipVerify: f.insecure}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, setupError("the file that the DSN parameter ca_file names can't be read, or has no certificate in PEM format")
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, setupError("the files that the DSN parameters cert_file and key_file name can't be read, or have no certificate and key in PEM format that belong together")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
