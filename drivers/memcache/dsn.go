package memcache

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// No error quotes the DSN: what looks like a host, a port or a parameter name may be part of a
// password.

// dsn is a parsed DSN.
type dsn struct {
	addrs        []net.Addr
	timeout      time.Duration
	maxIdleConns int
	options      Options
}

func parseDSN(text string) (dsn, error) {
	list, query, _ := strings.Cut(text, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return dsn{}, errors.New("memcache: the DSN's parameters are malformed; want host:port,host:port?name=value&name=value")
	}
	d := dsn{timeout: memcache.DefaultTimeout, maxIdleConns: 100}
	if d.addrs, err = parseServers(list); err != nil {
		return dsn{}, err
	}
	for name, values := range params {
		if err := d.set(name, values); err != nil {
			return dsn{}, err
		}
	}
	return d, nil
}

func (d *dsn) set(name string, values []string) (err error) {
	value := values[0]
	switch name {
	case "prefix":
		d.options.Prefix, err = value, checkPrefix(value)
	case "timeout":
		if d.timeout, err = time.ParseDuration(value); err != nil || d.timeout < time.Millisecond {
			err = errors.New("must be a duration of at least 1ms, such as 500ms")
		}
	case "max_idle_conns":
		if d.maxIdleConns, err = strconv.Atoi(value); err != nil || d.maxIdleConns < 1 {
			err = errors.New("must be a whole number above 0")
		}
	case "max_item_size":
		if d.options.MaxItemSize, err = strconv.Atoi(value); err != nil {
			err = errItemSize
		} else {
			err = checkMaxItemSize(d.options.MaxItemSize)
		}
	default:
		return errors.New("memcache: the DSN has an unknown parameter; the parameters are prefix, timeout, max_idle_conns and max_item_size")
	}
	if len(values) > 1 {
		err = errors.New("is given more than once")
	}
	if err != nil {
		return fmt.Errorf("memcache: DSN parameter %q %w", name, err)
	}
	return nil
}

// maxPrefix leaves the rest of memcached's limit, 250 bytes, to the key.
const maxPrefix = 100

// checkPrefix makes sure that stores with different prefixes share no item name. In a name, only
// characters of keys follow the last character of the prefix, or "@" and characters of keys.
func checkPrefix(prefix string) error {
	if !validName(prefix) || len(prefix) > maxPrefix {
		return fmt.Errorf("must be 1 to %d bytes without spaces and control characters", maxPrefix)
	}
	if last := prefix[len(prefix)-1]; inKeys(last) || last == '@' {
		return errors.New(`must end in a character other than A-Z, a-z, 0-9, "-", "_" and "@": add ":". ` +
			`Otherwise the store with prefix "app" would list and end the sessions of the store with prefix "app2". ` +
			`Sessions that were stored under the old prefix are not found`)
	}
	return nil
}

// inKeys reports whether the keys of records may contain b.
func inKeys(b byte) bool {
	return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

var errItemSize = errors.New("must be a number of bytes from 1024 to 1073741824")

func checkMaxItemSize(size int) error {
	if size < 1<<10 || size > 1<<30 {
		return errItemSize
	}
	return nil
}

// address is the address of a server. Its host is looked up when the store connects.
type address struct{ network, name string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.name }

// parseServers parses the list of servers. Its errors name a server by its place in the list.
func parseServers(list string) ([]net.Addr, error) {
	var addrs []net.Addr
	seen := map[string]int{}
	for name := range strings.SplitSeq(list, ",") {
		place := len(addrs) + 1
		a, canonical, err := parseServer(name)
		if err != nil {
			return nil, fmt.Errorf("memcache: server %d of the DSN %w", place, err)
		}
		if first := seen[canonical]; first > 0 {
			return nil, fmt.Errorf("memcache: servers %d and %d of the DSN are the same", first, place)
		}
		seen[canonical] = place
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// maxSocketPath is the length limit of a unix socket's path on Linux, in bytes.
const maxSocketPath = 107

// parseServer parses a server. Two spellings of one address have the same canonical form.
func parseServer(name string) (a address, canonical string, err error) {
	if strings.HasPrefix(name, "/") {
		if len(name) > maxSocketPath || strings.ContainsRune(name, 0) {
			return a, "", fmt.Errorf("must be the path of a unix socket, of at most %d bytes", maxSocketPath)
		}
		return address{"unix", name}, path.Clean(name), nil
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil || host == "" || port == "" {
		return a, "", errors.New("must be host:port, with an IPv6 address in brackets, or the path of a unix socket")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return a, "", errors.New("must have a port from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return address{"tcp", name}, netip.AddrPortFrom(ip.Unmap(), uint16(n)).String(), nil
	}
	for _, b := range []byte(host) {
		if !inKeys(b) && b != '.' {
			return a, "", errors.New("must have an IP address or a host name of letters, digits, dots, hyphens and underscores; a user and password are not supported")
		}
	}
	return address{"tcp", name}, strings.ToLower(strings.TrimSuffix(host, ".")) + ":" + port, nil
}
