package memcache

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// dsn is a parsed DSN.
type dsn struct {
	addrs        []net.Addr
	timeout      time.Duration
	maxIdleConns int
	options      Options
}

// maxPrefix leaves the rest of memcached's 250 bytes to the key.
const maxPrefix = 100

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
		if len(values) > 1 {
			return dsn{}, fmt.Errorf("memcache: DSN parameter %q is given more than once", name)
		}
		if err := d.set(name, values[0]); err != nil {
			return dsn{}, err
		}
	}
	return d, nil
}

func (d *dsn) set(name, value string) (err error) {
	bad := func(what string) error { return fmt.Errorf("memcache: DSN parameter %q must be %s", name, what) }
	switch name {
	case "prefix":
		if d.options.Prefix = value; !legalPrefix(value) {
			return bad(fmt.Sprintf("1 to %d bytes without space and control characters", maxPrefix))
		}
	case "timeout":
		if d.timeout, err = time.ParseDuration(value); err != nil || d.timeout <= 0 {
			return bad("a duration above 0, like 500ms")
		}
	case "max_idle_conns":
		if d.maxIdleConns, err = strconv.Atoi(value); err != nil || d.maxIdleConns < 1 {
			return bad("a whole number above 0")
		}
	case "max_item_size":
		if d.options.MaxItemSize, err = strconv.Atoi(value); err != nil || d.options.MaxItemSize < 1024 {
			return bad("a number of bytes, at least 1024")
		}
	default:
		return fmt.Errorf("memcache: unknown DSN parameter %q; there are prefix, timeout, max_idle_conns, max_item_size", name)
	}
	return nil
}

func legalPrefix(prefix string) bool {
	for _, c := range []byte(prefix) {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return prefix != "" && len(prefix) <= maxPrefix
}

// address is that of a server. A host is looked up when it is dialled, not before.
type address struct{ network, name string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.name }

func parseServers(list string) ([]net.Addr, error) {
	var addrs []net.Addr
	seen := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		a := address{"tcp", name}
		if strings.HasPrefix(name, "/") {
			a.network = "unix"
		} else if host, port, err := net.SplitHostPort(name); err != nil || host == "" || port == "" {
			return nil, errors.New("memcache: each server of the DSN must be host:port or the path of a unix socket")
		}
		if seen[name] {
			return nil, errors.New("memcache: a server is in the DSN twice")
		}
		seen[name] = true
		addrs = append(addrs, a)
	}
	return addrs, nil
}
