package mysql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is a parameter of a DSN.
type param struct {
	name  string
	check func(value string) (want string) // returns "" for a valid value, and otherwise what is valid
}

// storeParams are the parameters of this package.
var storeParams = []param{
	{"session_table", anything}, // package sqlstore checks names
	{"session_id_column", anything},
	{"session_data_column", anything},
	{"session_json", boolean},
	{"session_max_conns", number("connections", 1, 10_000)},
	{"session_conn_lifetime", duration(time.Second)},
}

// clientParams are the parameters of go-sql-driver.
var clientParams = []param{
	{"allowAllFiles", only("false", "false: with true, a server that was taken over could read the files of this machine")},
	{"allowCleartextPasswords", boolean},
	{"allowFallbackToPlaintext", boolean},
	{"allowNativePasswords", boolean},
	{"allowOldPasswords", boolean},
	{"charset", exactly("utf8mb4", "utf8mb4,utf8")},
	{"checkConnLiveness", only("true", "true: with false, the store would use connections that the server has closed")},
	{"clientFoundRows", boolean},
	{"collation", matching(`utf8mb4_[A-Za-z0-9_]+`, "a collation of utf8mb4")},
	{"columnsWithAlias", boolean},
	{"compress", boolean},
	{"connectionAttributes", anything},
	{"interpolateParams", boolean},
	{"loc", location},
	{"maxAllowedPacket", number("bytes", 0, 1<<30)},
	{"multiStatements", only("false", "false: the store sends one statement at a time")},
	{"parseTime", boolean},
	{"readTimeout", duration(0)},
	{"rejectReadOnly", boolean},
	{"serverPubKey", anything}, // go-sql-driver looks it up
	{"timeTruncate", duration(0)},
	{"timeout", duration(time.Millisecond)},
	{"tls", anything}, // go-sql-driver looks it up
	{"writeTimeout", duration(0)},
}

// variables are the system variables of the server that a DSN may set. go-sql-driver sends the
// values as they are: a text needs its quotes.
var variables = []param{
	{"autocommit", exactly("1", "true", "ON", "on")},
	{"group_replication_consistency", exactly("'BEFORE'", "'AFTER'", "'BEFORE_AND_AFTER'", "'EVENTUAL'", "'BEFORE_ON_PRIMARY_FAILOVER'")},
	{"innodb_lock_wait_timeout", number("seconds", 1, 1<<30)},
	{"lock_wait_timeout", number("seconds", 1, 31_536_000)},
	{"max_execution_time", number("milliseconds", 0, 1<<31)},
	{"max_statement_time", matching(`[0-9]{1,8}(\.[0-9]{1,6})?`, "a number of seconds")},
	{"net_read_timeout", number("seconds", 1, 31_536_000)},
	{"net_write_timeout", number("seconds", 1, 31_536_000)},
	{"sql_mode", sqlMode},
	{"time_zone", matching(`'[A-Za-z0-9_+:/-]+'`, "a time zone in single quotes, such as %27%2B00:00%27")},
	{"transaction_isolation", isolation},
	{"tx_isolation", isolation},
	{"wait_timeout", number("seconds", 1, 31_536_000)},
	{"wsrep_sync_wait", number("kinds of statements", 0, 15)},
}

// synonyms are pairs of parameters with one meaning: MySQL 8 knows one of the variables, and
// MariaDB 10.11 the other. The store sets the isolation level by a statement that both know.
var synonyms = [][2]string{{"transaction_isolation", "tx_isolation"}}

// findParam returns a parameter by its name.
func findParam(name string) (param, bool) {
	for _, list := range [][]param{storeParams, clientParams, variables} {
		if i := slices.IndexFunc(list, func(p param) bool { return p.name == name }); i >= 0 {
			return list[i], true
		}
	}
	return param{}, false
}

// errUnknown returns the error for an unknown parameter, which it does not name: any other text of
// a DSN may be confidential. go-sql-driver would send it to the server, as a system variable.
func errUnknown() error {
	var names []string
	for _, list := range [][]param{storeParams, clientParams, variables} {
		for _, p := range list {
			names = append(names, p.name)
		}
	}
	return errors.New("mysql: unknown DSN parameter; the parameters are " + strings.Join(names, ", "))
}

// isTaken reports whether go-sql-driver takes the value of a parameter as it is, without
// unescaping it.
func isTaken(name string) bool {
	return slices.ContainsFunc(clientParams, func(p param) bool { return p.name == name }) &&
		!slices.Contains([]string{"connectionAttributes", "loc", "serverPubKey", "tls"}, name)
}

func anything(string) string { return "" }

var boolean = exactly("true", "false", "1", "0", "TRUE", "FALSE", "True", "False")

func isTrue(value string) bool { return value == "1" || strings.EqualFold(value, "true") }

// only returns a check that accepts a boolean with one value, for the reason in want.
func only(value, want string) func(string) string {
	return func(given string) string {
		if boolean(given) == "" && isTrue(given) == isTrue(value) {
			return ""
		}
		return want
	}
}

// exactly returns a check that accepts words.
func exactly(words ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return "one of: " + strings.Join(words, " ")
	}
}

// matching returns a check that accepts what matches an expression as a whole.
func matching(expression, want string) func(string) string {
	whole := regexp.MustCompile(`^(` + expression + `)$`)
	return func(value string) string {
		if whole.MatchString(value) {
			return ""
		}
		return want
	}
}

// number returns a check that accepts integers from least to most. of names their unit.
func number(of string, least, most int64) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < least || n > most || value[0] == '+' {
			return fmt.Sprintf("a number of %s, from %d to %d", of, least, most)
		}
		return ""
	}
}

// duration returns a check that accepts durations of at least a minimum.
func duration(least time.Duration) func(string) string {
	return func(value string) string {
		if d, err := time.ParseDuration(value); err != nil || d < least {
			return fmt.Sprintf("a duration of at least %v, such as 1.5s or 2m", least)
		}
		return ""
	}
}

// location is the check of loc.
func location(value string) string {
	if _, err := time.LoadLocation(value); err != nil {
		return "the name of a time zone, such as UTC or Europe%2FParis"
	}
	return ""
}

// isolation is the check of the isolation level.
func isolation(value string) string {
	levels := []string{"READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"}
	if slices.Contains(levels, strings.Trim(value, "'")) {
		return ""
	}
	return "one of: " + strings.Join(levels, " ") + "; at READ-UNCOMMITTED a store would see writes that are rolled back"
}

var modes = regexp.MustCompile(`^'[A-Z0-9_]+(,[A-Z0-9_]+)*'$`)

// sqlMode is the check of sql_mode.
func sqlMode(value string) string {
	for _, strict := range []string{"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TRADITIONAL"} {
		if modes.MatchString(value) && strings.Contains(value, strict) {
			return ""
		}
	}
	return "modes in single quotes, such as %27STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION%27, and STRICT_ALL_TABLES or STRICT_TRANS_TABLES must be among them: otherwise the server cuts what is too large"
}
