package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/redis/rueidis"
)

// No error quotes the DSN: what looks like a host, a port or a parameter name may be part of a
// password.

// dsn is a parsed DSN.
type dsn struct {
	network string // "tcp" or "unix"
	timeout time.Duration
	tls     tlsFiles // nothing if useTLS is false
	useTLS  bool
	client  rueidis.ClientOption
	options Options
}

const form = "want redis://user:password@host:6379/0?name=value, rediss:// for TLS, unix:///path/of/socket, " +
	"redis+sentinel://host1,host2/name or redis+cluster://host1,host2"

var (
	errForm    = errors.New("redis: the DSN is malformed; " + form)
	errControl = errors.New("redis: the DSN contains a space or a control character, such as a line feed or NUL; remove it, or escape a space as %20")
	errHosts   = errors.New("redis: a server of the DSN is malformed; want host:port, host, or [::1]:port, with a port from 1 to 65535")
	errDB      = errors.New("redis: the DSN's database must be a number from 0 to 1000000")
	errParams  = errors.New("redis: the DSN's parameters are malformed; want ?name=value&name=value, with % escaped as %25, & as %26, # as %23 and + as %2B")
)

// parseDSN returns the parsed form of text.
func parseDSN(text string) (dsn, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return dsn{}, errControl
	}
	place, query, _ := strings.Cut(text, "?")
	scheme, rest, found := strings.Cut(place, "://")
	if !found || strings.Contains(place, "#") {
		return dsn{}, errForm
	}
	d := dsn{network: "tcp", timeout: defaultTimeout}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := d.setUser(authority[:at]); err != nil {
			return dsn{}, err
		}
		authority = authority[at+1:]
	}
	params, err := parseParams(query)
	if err != nil {
		return dsn{}, err
	}
	if err := d.setPlace(scheme, authority, path); err != nil {
		return dsn{}, err
	}
	return d, d.setParams(params)
}

// setUser parses user:password, which are escaped as in URLs.
func (d *dsn) setUser(text string) error {
	user, password, hasPassword := strings.Cut(text, ":")
	name, err1 := url.PathUnescape(user)
	secret, err2 := url.PathUnescape(password)
	switch {
	case err1 != nil, err2 != nil:
		return errors.New("redis: the user or the password of the DSN is malformed; escape % as %25, @ as %40, : as %3A, / as %2F and ? as %3F")
	case !hasPassword:
		return errors.New("redis: the DSN has a user without a password; want user:password@host, or :password@host for the default user")
	}
	d.client.Username, d.client.Password = name, secret
	return nil
}

// setPlace sets the servers and the database.
func (d *dsn) setPlace(scheme, authority, path string) (err error) {
	base, kind, _ := strings.Cut(scheme, "+")
	d.useTLS = base == "rediss"
	if base != "redis" && base != "rediss" && scheme != "unix" {
		return errForm
	}
	port, db := "6379", path
	switch {
	case scheme == "unix":
		name, err := url.PathUnescape("/" + path)
		if err != nil || authority != "" || path == "" || len(name) > maxSocketPath || strings.ContainsRune(name, 0) {
			return fmt.Errorf("redis: the DSN must have the absolute path of a unix socket, as in unix:///path?db=0, of at most %d bytes", maxSocketPath)
		}
		d.network, d.client.InitAddress, d.client.ForceSingleClient = "unix", []string{name}, true
		return nil
	case kind == "" && !strings.Contains(scheme, "+"):
		d.client.ForceSingleClient = true
	case kind == "sentinel":
		name, rest, _ := strings.Cut(path, "/")
		if name, err = url.PathUnescape(name); err != nil || name == "" {
			return errors.New("redis: the DSN must name the primary that the sentinels watch, as in redis+sentinel://host1,host2/mymaster")
		}
		port, db, d.client.Sentinel.MasterSet = "26379", rest, name
	case kind == "cluster":
		d.options.Cluster = true
		if path != "" && path != "0" {
			return errors.New("redis: a cluster has only the database 0")
		}
	default:
		return errForm
	}
	if err := d.setDB(db); err != nil {
		return err
	}
	if d.client.InitAddress, err = parseServers(authority, port); err != nil {
		return err
	}
	if d.client.ForceSingleClient && len(d.client.InitAddress) > 1 {
		return errors.New("redis: a DSN that begins with redis:// or rediss:// names one server; use redis+sentinel:// or redis+cluster:// for several")
	}
	return nil
}

func (d *dsn) setDB(text string) error {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > 1_000_000 || strconv.FormatUint(n, 10) != text {
		return errDB
	}
	d.client.SelectDB = int(n)
	return nil
}

// maxSocketPath is the length limit of a unix socket's path on Linux, in bytes.
const maxSocketPath = 107

// parseServers parses a list of servers, separated by commas. port is the default port.
func parseServers(list, port string) (addrs []string, err error) {
	for server := range strings.SplitSeq(list, ",") {
		host, number := server, port
		if strings.LastIndexByte(server, ':') > strings.LastIndexByte(server, ']') {
			if host, number, err = net.SplitHostPort(server); err != nil {
				return nil, errHosts
			}
		} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
			host = host[1 : len(host)-1]
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 || number[0] == '0' || !isHost(host) {
			return nil, errHosts
		}
		addrs = append(addrs, net.JoinHostPort(host, number))
	}
	return addrs, nil
}

// isHost reports whether text may be a host name or an IP address.
func isHost(text string) bool {
	if strings.ContainsRune(text, ':') {
		host, _, _ := strings.Cut(text, "%")
		return net.ParseIP(host) != nil
	}
	for _, b := range []byte(text) {
		if !inKeys(b) && b != '.' {
			return false
		}
	}
	return text != ""
}
