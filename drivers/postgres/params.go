package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ownParams are the parameters that this package reads. Neither pgx nor the server sees them.
var ownParams = []string{
	"session_table", "session_id_column", "session_data_column", "unlogged", "data",
	"pool_max_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time",
}

// The limits of the pool of connections, unless the DSN gives others. The servers that run in clouds
// drop connections that were idle for some 4 minutes.
const (
	defaultMaxConns = 16
	defaultLifetime = 30 * time.Minute
	defaultIdleTime = 3 * time.Minute
)

var (
	execModes = []string{"cache_statement", "cache_describe", "exec", "simple_protocol"}
	booleans  = []string{"on", "true", "yes", "1", "off", "false", "no", "0"}
)

// params are the parameters of a DSN, in lower case. A check returns "" for a valid value, and
// otherwise what is valid. The settings of the server are the ones that make sense for sessions.
var params = map[string]func(value string) (want string){
	"session_table":           anything,
	"session_id_column":       anything,
	"session_data_column":     anything,
	"unlogged":                oneOf("true", "false"),
	"data":                    oneOf("bytea", "jsonb"),
	"pool_max_conns":          number("connections", 1, 100_000),
	"pool_max_conn_lifetime":  duration,
	"pool_max_conn_idle_time": duration,

	"host": anything, "port": anything, "dbname": anything, "database": anything, "user": anything, "password": anything,
	"passfile": anything, "service": anything, "servicefile": anything,
	"connect_timeout":      number("seconds", 0, 1<<31-1),
	"target_session_attrs": oneOf("read-write", "primary"),
	"sslmode":              oneOf("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
	"ssl":                  oneOf("true"),
	"sslkey":               anything, "sslcert": anything, "sslrootcert": anything, "sslpassword": anything,
	"sslsni":               oneOf("0", "1"),
	"sslcertmode":          oneOf("disable", "allow", "require"),
	"sslnegotiation":       oneOf("postgres", "direct"),
	"channel_binding":      oneOf("disable", "prefer", "require"),
	"min_protocol_version": oneOf("3.0", "3.2", "latest"),
	"max_protocol_version": oneOf("3.0", "3.2", "latest"),
	"require_auth":         anything, "krbsrvname": anything, "krbspn": anything,

	"default_query_exec_mode":    oneOf(execModes...),
	"statement_cache_capacity":   number("statements", 1, 100_000),
	"description_cache_capacity": number("statements", 1, 100_000),

	"application_name": anything, "options": anything, "search_path": anything, "role": anything,
	"statement_timeout": anything, "lock_timeout": anything, "transaction_timeout": anything,
	"idle_in_transaction_session_timeout": anything, "idle_session_timeout": anything,
	"tcp_keepalives_idle": anything, "tcp_keepalives_interval": anything, "tcp_keepalives_count": anything,
	"tcp_user_timeout": anything, "client_connection_check_interval": anything,
	"synchronous_commit":            oneOf("on", "remote_apply", "remote_write", "local", "off"),
	"default_transaction_isolation": oneOf("read committed", "repeatable read", "serializable"),
	"default_transaction_read_only": oneOf(booleans...),
	"client_encoding":               oneOf("UTF8", "utf8", "UTF-8", "utf-8"),
	"timezone":                      anything, "datestyle": anything, "intervalstyle": anything,
	"client_min_messages": anything, "work_mem": anything, "jit": oneOf(booleans...), "plan_cache_mode": anything,
}

// values are the values of the parameters of a DSN, by their names in lower case.
type values map[string]string

// synonyms have the names of parameters for which there is another name.
var synonyms = map[string]string{"database": "dbname", "ssl": "sslmode"}

// customized matches the names of settings that extensions of the server define.
var customized = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)+$`)

// checkParams returns an error for unknown, repeated, empty and invalid parameters. It names only
// known parameters, because any other text of a DSN may be confidential.
func checkParams(settings []setting) (values, error) {
	values := values{}
	for _, s := range settings {
		name := s.name
		if lower := strings.ToLower(name); lower == "timezone" || lower == "datestyle" || lower == "intervalstyle" {
			name = lower // the server's own spelling is TimeZone
		}
		check, known := params[name]
		if !known && !customized.MatchString(name) {
			return nil, fmt.Errorf("postgres: unknown DSN parameter; the parameters are %s, the ones of libpq and pgx, some settings of the server, and settings with a dot in their names", strings.Join(ownParams, ", "))
		}
		if !known {
			check, name = anything, strings.ToLower(name)
		}
		shown := name
		if !known {
			shown = "with a dot"
		}
		if synonym := synonyms[name]; synonym != "" {
			name = synonym
		}
		switch _, repeated := values[name]; {
		case repeated:
			return nil, fmt.Errorf("postgres: DSN parameter %s is given more than once", shown)
		case s.value == "":
			return nil, fmt.Errorf("postgres: DSN parameter %s has no value; give one, or remove the parameter", shown)
		}
		if want := check(s.value); want != "" {
			return nil, fmt.Errorf("postgres: DSN parameter %s takes %s", shown, want)
		}
		values[name] = s.value
	}
	return values, nil
}

// options returns what the parameters say about the table.
func (v values) options() Options {
	return Options{
		Table:      v["session_table"],
		IDColumn:   v["session_id_column"],
		DataColumn: v["session_data_column"],
		JSON:       v["data"] == "jsonb",
		Unlogged:   v["unlogged"] == "true",
	}
}

// loses returns how acknowledged writes can be lost, or "".
func (v values) loses() string {
	switch {
	case v["unlogged"] == "true":
		return losesUnlogged
	case v["synchronous_commit"] == "off":
		return "a crash of the PostgreSQL server loses the last writes, because synchronous_commit is off"
	}
	return ""
}

// limits returns the limits of the pool. The values are valid.
func (v values) limits() limits {
	l := limits{defaultMaxConns, defaultLifetime, defaultIdleTime}
	if value, given := v["pool_max_conns"]; given {
		l.maxConns, _ = strconv.Atoi(value)
	}
	if value, given := v["pool_max_conn_lifetime"]; given {
		l.lifetime, _ = time.ParseDuration(value)
	}
	if value, given := v["pool_max_conn_idle_time"]; given {
		l.idleTime, _ = time.ParseDuration(value)
	}
	return l
}

// anything is the check of a parameter that takes any value, or whose values pgx or the server checks.
func anything(string) string { return "" }

// oneOf returns a check that accepts words.
func oneOf(words ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return "one of: " + strings.Join(words, ", ")
	}
}

// number returns a check that accepts integers from least to most. of names their unit.
func number(of string, least, most int64) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < least || n > most {
			return fmt.Sprintf("a number of %s, from %d to %d", of, least, most)
		}
		return ""
	}
}

// duration is a check that accepts durations.
func duration(value string) string {
	if d, err := time.ParseDuration(value); err != nil || d < time.Millisecond {
		return "a duration of at least 1ms, such as 30m or 1h"
	}
	return ""
}
