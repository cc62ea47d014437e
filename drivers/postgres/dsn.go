package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// dsn is a parsed DSN.
type dsn struct {
	config  *pgx.ConnConfig
	options Options
	loses   string // see driver.Lossy
	pool    limits
}

// limits are the limits of the pool of connections.
type limits struct {
	maxConns           int
	lifetime, idleTime time.Duration
}

var (
	errForm      = errors.New("postgres: the DSN is neither a URL nor a list of keywords; want postgres://user:password@host/database?name=value&name=value, or host=name dbname=name")
	errMalformed = errors.New("postgres: the DSN is malformed; want postgres://user:password@host:port/database?name=value&name=value, with special characters escaped (@ as %40, / as %2F, ? as %3F), or host=name dbname=name, with values that contain spaces in single quotes")
	errPorts     = errors.New("postgres: the number of ports in the DSN differs from the number of hosts; give one for each host, or one for all")
	errPort      = errors.New("postgres: a port of the DSN is no number from 1 to 65535; if the password contains @, : or /, escape them as %40, %3A and %2F")
	errTLS       = errors.New("postgres: TLS can't be set up: a file that sslrootcert, sslcert or sslkey names can't be read or is invalid, sslpassword is wrong, or sslmode does not fit them")
	errService   = errors.New("postgres: the service that the DSN or PGSERVICE names is not in the service file, or the file can't be read; check service and servicefile")
)

// setting is a parameter of a DSN.
type setting struct{ name, value string }

// parseDSN returns the parsed form of text. The error quotes no part of it but names of parameters.
func parseDSN(text string) (dsn, error) {
	if strings.ContainsRune(text, 0) {
		return dsn{}, errMalformed
	}
	isURL := isURL(text)
	var base string // the URL without its query
	var settings []setting
	var err error
	if isURL {
		var query string
		base, query, _ = strings.Cut(text, "?")
		settings, err = parseQuery(query)
	} else {
		settings, err = parseKeywords(text)
	}
	if err != nil {
		return dsn{}, err
	}
	values, err := checkParams(settings)
	if err != nil {
		return dsn{}, err
	}
	d := dsn{options: values.options(), loses: values.loses(), pool: values.limits()}
	if err := d.options.validate(); err != nil {
		return dsn{}, err
	}
	settings = slices.DeleteFunc(settings, func(s setting) bool { return slices.Contains(ownParams, s.name) })
	if isURL {
		text = base + "?" + joinQuery(settings)
	} else {
		text = joinKeywords(settings)
	}
	if d.config, err = pgx.ParseConfig(text); err != nil {
		return dsn{}, explainParsing(err)
	}
	return d, d.choose(values)
}

// choose sets what the store needs of each server that it connects to.
func (d *dsn) choose(values values) error {
	if mode := d.config.DefaultQueryExecMode; mode == pgx.QueryExecModeDescribeExec {
		return errors.New("postgres: DSN parameter default_query_exec_mode takes one of: " + strings.Join(execModes, " "))
	}
	if d.config.RuntimeParams["client_encoding"] == "" { // the default is that of the database
		d.config.RuntimeParams["client_encoding"] = "UTF8"
	}
	several := hosts(d.config) > 1
	if several && d.config.ConnectTimeout == 0 {
		d.config.ConnectTimeout = timeoutOfHost
	}
	attrs := cmp.Or(values["target_session_attrs"], os.Getenv("PGTARGETSESSIONATTRS"))
	if attrs != "read-write" && attrs != "primary" { // never a standby, whose answers lag behind
		attrs = "primary"
		if several {
			attrs = "read-write"
		}
	}
	d.config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	if attrs == "read-write" {
		if d.config.RuntimeParams["default_transaction_read_only"] != "" {
			return errors.New("postgres: the DSN wants a connection that is read-only and a server that is not; with default_transaction_read_only, set target_session_attrs=primary")
		}
		d.config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		closeOn(d.config, readOnly)
	}
	return nil
}

// timeoutOfHost is how long the store tries to connect to one of several hosts. A host that does
// not answer must leave time for the next one.
const timeoutOfHost = 2 * time.Second

// readOnly is the SQLSTATE of a write that the server refuses because it is read-only.
const readOnly = "25006"

// closeOn makes connections end after an error of that SQLSTATE, so that the next call looks for a
// server again.
func closeOn(config *pgx.ConnConfig, state string) {
	goesOn := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != state && (goesOn == nil || goesOn(conn, err))
	}
}

// hosts returns the number of servers that a configuration names.
func hosts(config *pgx.ConnConfig) int {
	type address struct {
		host string
		port uint16
	}
	known := map[address]bool{{config.Host, config.Port}: true}
	for _, f := range config.Fallbacks {
		known[address{f.Host, f.Port}] = true
	}
	return len(known)
}

// explainParsing returns an error for an error of pgx, whose text may quote the DSN.
func explainParsing(err error) error {
	for _, known := range []struct {
		phrase string
		err    error
	}{
		{"failed to configure TLS", errTLS},
		{"failed to read service", errService},
		{"could not match", errPorts},
		{"invalid port", errPort},
	} {
		if strings.Contains(err.Error(), known.phrase) {
			return known.err
		}
	}
	return errMalformed
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// parseQuery returns the parameters of a URL. As in libpq, a plus sign stands for itself.
func parseQuery(query string) (settings []setting, err error) {
	if query == "" {
		return nil, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, found := strings.Cut(pair, "=")
		var s setting
		s.name, err = url.PathUnescape(name)
		if err == nil {
			s.value, err = url.PathUnescape(value)
		}
		if err != nil || !found || strings.ContainsRune(s.name+s.value, 0) {
			return nil, errMalformed
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// joinQuery is the reverse of parseQuery.
func joinQuery(settings []setting) string {
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	var pairs []string
	for _, s := range settings {
		pairs = append(pairs, escape(s.name)+"="+escape(s.value))
	}
	return strings.Join(pairs, "&")
}

const space = " \t\n\r\v\f"

// parseKeywords returns the parameters of a DSN of the form "name=value name='other value'", in
// which a backslash precedes a quote or a backslash of a value.
func parseKeywords(text string) (settings []setting, err error) {
	for text = strings.Trim(text, space); text != ""; text = strings.TrimLeft(text, space) {
		name, rest, found := strings.Cut(text, "=")
		s := setting{name: strings.TrimRight(name, space)}
		if !found {
			return nil, errForm
		}
		if s.value, text, found = cutValue(strings.TrimLeft(rest, space)); !found {
			return nil, errMalformed
		}
		settings = append(settings, s)
	}
	if len(settings) == 0 {
		return nil, errors.New("postgres: the DSN is empty; want postgres://user:password@host/database, or postgres:// alone, for a server that environment variables such as PGHOST and PGDATABASE name")
	}
	return settings, nil
}

// cutValue returns the value at the beginning of text, and what follows it.
func cutValue(text string) (value, rest string, ok bool) {
	text, quoted := strings.CutPrefix(text, "'")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\'', !quoted && strings.IndexByte(space, c) >= 0:
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			c = text[i]
		}
		b.WriteByte(c)
	}
	return b.String(), "", !quoted
}

// joinKeywords is the reverse of parseKeywords.
func joinKeywords(settings []setting) string {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var pairs []string
	for _, s := range settings {
		pairs = append(pairs, fmt.Sprintf("%s='%s'", s.name, escape.Replace(s.value)))
	}
	return strings.Join(pairs, " ")
}
