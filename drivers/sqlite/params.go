package sqlite

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is a parameter of go-sqlite3, or one that SQLite reads when it opens a file.
type param struct {
	names []string                         // synonyms
	check func(value string) (want string) // returns "" for a valid value, and otherwise what is valid
}

// params are the parameters of a DSN, except the ones that package sqlstore reads.
var params = []param{
	{[]string{"_auto_vacuum", "_vacuum"}, anyCase("0", "none", "1", "full", "2", "incremental")},
	{[]string{"_busy_timeout", "_timeout"}, number("milliseconds", 0, 1<<31-1)},
	{[]string{"_cache_size"}, number("pages, or of KiB if it is negative", -1<<31+1, 1<<31-1)},
	{[]string{"_case_sensitive_like", "_cslike"}, boolean},
	{[]string{"_defer_foreign_keys", "_defer_fk"}, boolean},
	{[]string{"_foreign_keys", "_fk"}, boolean},
	{[]string{"_ignore_check_constraints"}, boolean},
	{[]string{"_journal_mode", "_journal"}, anyCase("wal", "delete", "truncate", "persist", "memory")},
	{[]string{"_loc"}, location},
	{[]string{"_locking_mode", "_locking"}, anyCase("normal", "exclusive")},
	{[]string{"_mutex"}, anyCase("no", "full")},
	{[]string{"_query_only"}, boolean},
	{[]string{"_recursive_triggers", "_rt"}, boolean},
	{[]string{"_secure_delete"}, anyCase("0", "no", "false", "off", "1", "yes", "true", "on", "fast")},
	{[]string{"_stmt_cache_size"}, number("statements", 0, 10_000)},
	{[]string{"_synchronous", "_sync"}, anyCase("0", "off", "1", "normal", "2", "full", "3", "extra")},
	{[]string{"_txlock"}, anyCase("immediate", "deferred", "exclusive")},
	{[]string{"_writable_schema"}, boolean},
	{[]string{"cache"}, exactly("shared", "private")},
	{[]string{"immutable"}, boolean},
	{[]string{"mode"}, exactly("ro", "rw", "rwc", "memory")},
	{[]string{"nolock"}, boolean},
	{[]string{"psow"}, boolean},
	{[]string{"vfs"}, exactly(filesystems...)},
}

// defaults are the values of parameters that the DSN does not contain, by the first of their names.
var defaults = map[string]string{
	"_journal_mode":  "WAL",
	"_synchronous":   "NORMAL",
	"_busy_timeout":  "20",
	"_txlock":        "immediate",
	"_secure_delete": "on",
}

// storeParams are the parameters of package sqlstore.
var storeParams = []string{"table", "id_column", "data_column"}

var boolean = anyCase("0", "no", "false", "off", "1", "yes", "true", "on")

func isTrue(value string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(value))
}

// anyCase returns a check that accepts words in upper or lower case.
func anyCase(words ...string) func(string) string {
	check := exactly(words...)
	return func(value string) string { return check(strings.ToLower(value)) }
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

// number returns a check that accepts integers from least to most. of names their unit.
func number(of string, least, most int64) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < least || n > most {
			return fmt.Sprintf("a number of %s, from %d to %d", of, least, most)
		}
		return ""
	}
}

// location is the check of _loc.
func location(value string) string {
	if !strings.EqualFold(value, "auto") {
		if _, err := time.LoadLocation(value); err != nil || value == "" {
			return "auto or the name of a time zone"
		}
	}
	return ""
}

// checkParams returns an error for unknown, repeated, empty and invalid parameters. It names only
// known parameters, because any other text of a DSN may be confidential.
func checkParams(query url.Values) error {
	known := slices.Clone(storeParams)
	for _, p := range params {
		known = append(known, p.names...)
	}
	for _, name := range withoutCounterpart {
		if query.Has(name) {
			return fmt.Errorf("sqlite: DSN parameter %s needs go-sqlite3, and this program was built without cgo; remove it, or build with CGO_ENABLED=1 and a C compiler", name)
		}
	}
	known = slices.DeleteFunc(known, func(name string) bool { return slices.Contains(withoutCounterpart, name) })
	for name := range query {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return fmt.Errorf("sqlite: unknown DSN parameter; the parameters are %s", strings.Join(known, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return fmt.Errorf("sqlite: DSN parameter %s is given more than once", name)
		}
		if query.Get(name) == "" {
			return fmt.Errorf("sqlite: DSN parameter %s has no value; give one, or remove the parameter", name)
		}
	}
	for _, p := range params {
		given := ""
		for _, name := range p.names {
			if !query.Has(name) {
				continue
			}
			if given != "" {
				return fmt.Errorf("sqlite: DSN parameters %s and %s are the same; give one", given, name)
			}
			given = name
			if want := p.check(query.Get(name)); want != "" {
				return fmt.Errorf("sqlite: DSN parameter %s takes %s", name, want)
			}
		}
	}
	return nil
}

// get returns the value of the parameter whose first name is first, under whichever of its names
// the DSN gives it.
func get(query url.Values, first string) string {
	for _, p := range params {
		if p.names[0] != first {
			continue
		}
		for _, name := range p.names {
			if query.Has(name) {
				return query.Get(name)
			}
		}
	}
	return ""
}
