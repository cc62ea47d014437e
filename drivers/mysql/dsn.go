package mysql

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-sql-driver/mysql"

	"gosession.dev/session/drivers/sqlstore"
)

// dsn is a parsed DSN.
type dsn struct {
	config    *mysql.Config
	isolation string        // the isolation level, in SQL
	connect   time.Duration // the maximum time to connect
	maxConns  int           // the maximum number of connections
	lifetime  time.Duration // the maximum time that a connection is used
	options   sqlstore.Options
}

// Defaults of parameters.
const (
	defaultMaxConns  = 16
	defaultLifetime  = 5 * time.Minute
	defaultConnect   = 10 * time.Second
	defaultIsolation = "READ COMMITTED"
)

const want = "want user:password@tcp(host:3306)/database?name=value&name=value"

var (
	errMalformed  = errors.New("mysql: the DSN is malformed; " + want)
	errControl    = errors.New("mysql: the DSN contains a control character, such as a line feed or NUL; remove it")
	errURL        = errors.New("mysql: the DSN is a URL; " + want)
	errEscape     = errors.New("mysql: a parameter of the DSN is malformed; write ?name=value&name=value, and escape % as %25, & as %26, / as %2F and spaces as %20 in values")
	errNoDatabase = errors.New("mysql: the DSN names no database; " + want)
	errAddress    = errors.New("mysql: the DSN's address is malformed; want tcp(host:3306), tcp([::1]:3306) or unix(/path/of/socket), with one server")
	errTLS        = errors.New("mysql: the DSN's parameter tls takes true, false, skip-verify, preferred, or a name that mysql.RegisterTLSConfig of go-sql-driver has registered before")
	errServerKey  = errors.New("mysql: the DSN's parameter serverPubKey takes a name that mysql.RegisterServerPubKey of go-sql-driver has registered before")
)

var (
	urlScheme   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	networkName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+._-]{0,63}$`)
)

// parseDSN returns the parsed form of text. The error quotes no part of it but names of parameters.
func parseDSN(text string) (dsn, error) {
	switch {
	case strings.ContainsFunc(text, unicode.IsControl):
		return dsn{}, errControl
	case urlScheme.MatchString(text):
		return dsn{}, errURL
	}
	slash := strings.LastIndexByte(text, '/')
	if slash < 0 {
		return dsn{}, errMalformed
	}
	database, query, hasQuery := strings.Cut(text[slash+1:], "?")
	if !hasQuery && strings.Contains(text[:slash], ")/") { // the slash is in a parameter
		return dsn{}, errEscape
	}
	params, err := parseParams(query)
	if err != nil {
		return dsn{}, err
	}
	d := takeParams(params)
	if err := d.options.Validate(); err != nil {
		return dsn{}, err
	}
	if database == "" && !strings.Contains(d.options.Table, ".") {
		return dsn{}, errNoDatabase
	}
	if name, err := url.PathUnescape(database); err != nil || strings.ContainsFunc(name, unicode.IsControl) {
		return dsn{}, errMalformed
	}
	return d, d.configure(text[:slash+1]+database, params)
}

// parseParams returns the parameters of a DSN. It refuses unknown, repeated, empty and invalid ones.
func parseParams(query string) (map[string]string, error) {
	params := map[string]string{}
	if query == "" {
		return params, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(escaped)
		if err != nil || strings.ContainsFunc(value, unicode.IsControl) {
			return nil, errEscape
		}
		p, known := findParam(name)
		_, again := params[name]
		switch {
		case !known:
			return nil, errUnknown()
		case again:
			return nil, fmt.Errorf("mysql: DSN parameter %s is given more than once", name)
		case value == "":
			return nil, fmt.Errorf("mysql: DSN parameter %s has no value; give one, or remove the parameter", name)
		}
		if wants := p.check(value); wants != "" {
			return nil, fmt.Errorf("mysql: DSN parameter %s takes %s", name, wants)
		}
		params[name] = value
	}
	for _, pair := range synonyms {
		if params[pair[0]] != "" && params[pair[1]] != "" {
			return nil, fmt.Errorf("mysql: DSN parameters %s and %s are the same; give one", pair[0], pair[1])
		}
	}
	return params, nil
}

// takeParams removes the parameters that go-sql-driver does not know from params, and returns what
// they mean.
func takeParams(params map[string]string) dsn {
	take := func(name string) string {
		defer delete(params, name)
		return params[name]
	}
	d := dsn{
		isolation: defaultIsolation,
		connect:   defaultConnect,
		maxConns:  defaultMaxConns,
		lifetime:  defaultLifetime,
		options: sqlstore.Options{
			Exclusive:  true,
			Table:      take("session_table"),
			IDColumn:   take("session_id_column"),
			DataColumn: take("session_data_column"),
			JSON:       isTrue(take("session_json")),
			// A client that interpolates parameters has no use for prepared statements.
			Unprepared: isTrue(params["interpolateParams"]),
		},
	}
	if n, err := strconv.Atoi(take("session_max_conns")); err == nil {
		d.maxConns = n
	}
	if t, err := time.ParseDuration(take("session_conn_lifetime")); err == nil {
		d.lifetime = t
	}
	if t, err := time.ParseDuration(params["timeout"]); err == nil {
		d.connect = t
	}
	for _, name := range []string{"transaction_isolation", "tx_isolation"} {
		if level := take(name); level != "" {
			d.isolation = strings.ReplaceAll(strings.Trim(level, "'"), "-", " ")
		}
	}
	return d
}

// sessionVariables are the values of system variables that the DSN does not set.
var sessionVariables = map[string]string{
	// The server refuses what is too large for a column instead of cutting it.
	"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
	// A statement that was abandoned when its context ended does not wait longer than this.
	"innodb_lock_wait_timeout": "3",
	"lock_wait_timeout":        "5",
}

// configure sets the configuration of go-sql-driver. place is the DSN without its parameters.
func (d *dsn) configure(place string, params map[string]string) error {
	for name, value := range sessionVariables {
		if params[name] == "" {
			params[name] = value
		}
	}
	set := func(name, value string) {
		if params[name] == "" {
			params[name] = value
		}
	}
	set("clientFoundRows", "true")        // one statement for a Touch that changes nothing
	set("maxAllowedPacket", "1073741824") // package sqlstore asks for the limit of the server
	var query []string
	for name, value := range params {
		if !isTaken(name) {
			value = url.QueryEscape(value)
		}
		query = append(query, name+"="+value)
	}
	slices.Sort(query)
	config, err := mysql.ParseDSN(place + "?" + strings.Join(query, "&"))
	switch {
	case err == nil:
	case strings.HasPrefix(err.Error(), "invalid value / unknown config name"):
		return errTLS
	case strings.HasPrefix(err.Error(), "invalid value / unknown server pub key name"):
		return errServerKey
	default:
		return errMalformed
	}
	config.Logger = &mysql.NopLogger{} // its texts may quote addresses
	d.config = config
	return checkAddress(config)
}

// checkAddress returns errAddress unless the network and the address of the server are possible.
func checkAddress(config *mysql.Config) error {
	switch config.Net {
	case "tcp", "tcp4", "tcp6":
		host, port, err := net.SplitHostPort(config.Addr)
		number, numberErr := strconv.ParseUint(port, 10, 16)
		if err != nil || numberErr != nil || number == 0 || strings.ContainsAny(host, " ,;@/()") {
			return errAddress
		}
	default:
		if !networkName.MatchString(config.Net) || config.Addr == "" {
			return errAddress
		}
	}
	return nil
}
