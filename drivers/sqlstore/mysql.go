package sqlstore

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
)

// MySQL is the dialect of MySQL 5.7 and later and of MariaDB 10.2 and later, with
// github.com/go-sql-driver/mysql. The store works with and without clientFoundRows=true in its DSN.
// The isolation level READ COMMITTED prevents most deadlocks, which the store otherwise retries.
// With readTimeout in the DSN, the connection of a COMMIT ends that the server does not answer.
var MySQL = Dialect{
	Quote:       func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
	Placeholder: func(int) string { return "?" },
	Schema:      mysqlSchema,
	Exists:      hasNumber("1050", "1061"), // the table exists, the index exists
	DeleteBatch: func(table, _ string) string {
		return "DELETE FROM " + table + " WHERE expires > ? AND expires <= ? ORDER BY expires LIMIT ?"
	},
	Unindexed:       func(column string) string { return "(" + column + " + 0)" },
	Now:             "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
	IsDuplicate:     hasNumber("1062"),
	IsBusy:          hasNumber("1205", "1213", "1020"), // lock wait timeout, deadlock, record has changed since last read
	IsTooLarge:      tooLargeForMySQL,
	MaxStatement:    "SELECT @@max_allowed_packet",
	IsLost:          lostByMySQL,
	Explain:         explainMySQL,
	Check:           checkMySQL,
	ComparesColumns: true,
}

func mysqlSchema(t Table) []string {
	data := "MEDIUMBLOB"
	if t.JSON {
		data = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + t.Name + ` (
	` + t.ID + ` VARBINARY(64) NOT NULL PRIMARY KEY,
	` + t.Data + ` ` + data + ` NOT NULL,
	meta VARBINARY(1024) NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	subject VARBINARY(255) NOT NULL,
	version BIGINT NOT NULL,
	KEY ` + t.ExpiresIndex + ` (expires),
	KEY ` + t.SubjectIndex + ` (subject, ` + t.ID + `)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
	}
}

// mysqlNumber matches the number in the text of a MySQLError of go-sql-driver.
var mysqlNumber = regexp.MustCompile(`^Error (\d{4})\b`)

// numberOf returns the number of an error of the server, or an empty string.
func numberOf(err error) string {
	for ; err != nil; err = unwrap(err) {
		if found := mysqlNumber.FindStringSubmatch(err.Error()); found != nil {
			return found[1]
		}
	}
	return ""
}

func unwrap(err error) error {
	if wrapper, ok := err.(interface{ Unwrap() error }); ok {
		return wrapper.Unwrap()
	}
	return nil
}

// hasNumber returns a function that reports whether an error has one of the numbers.
func hasNumber(numbers ...string) func(error) bool {
	return func(err error) bool { return slices.Contains(numbers, numberOf(err)) }
}

// says returns a function that reports whether an error of go-sql-driver, and not of the server,
// contains one of the texts: an error of the server may quote data.
func says(texts ...string) func(error) bool {
	return func(err error) bool { return numberOf(err) == "" && contains(texts...)(err) }
}

// tooLargeForMySQL is the IsTooLarge of MySQL: for the packet (by the server and by go-sql-driver),
// for the column, for the row, for the log of InnoDB, and for a value that was sent in parts.
func tooLargeForMySQL(err error) bool {
	return hasNumber("1153", "1406", "1118", "1301", "1534")(err) || says("packet for query is too large")(err) || sentInParts(err)
}

// sentInParts reports whether a value that go-sql-driver sent in parts, because it is large, is
// larger than max_allowed_packet. The number of this error, 1105, stands for any unknown error.
func sentInParts(err error) bool {
	return numberOf(err) == "1105" && contains("mysql_send_long_data")(err)
}

// lostByMySQL is the IsLost of MySQL.
func lostByMySQL(err error) bool {
	return hasNumber("1053", "1927", "4031")(err) || says("invalid connection", "commands out of sync", "busy buffer")(err)
}

// mysqlNumbers are descriptions of errors that operators can do something about.
var mysqlNumbers = map[string]string{
	"1020": "another transaction has changed the record",
	"1021": "the disk of the server is full",
	"1036": "the table is read-only",
	"1040": "the server has too many connections",
	"1044": "the user has no access to the database",
	"1045": "the user or the password is wrong",
	"1046": "no database is selected; name one in the DSN",
	"1048": "a column that the store does not set must not be NULL",
	"1049": "the database does not exist",
	"1053": "the server is shutting down",
	"1054": "the table lacks a column",
	"1062": "a row with the key exists",
	"1114": "the table is full",
	"1118": "a row is too large",
	"1129": "the server blocks this host after too many connection errors; see FLUSH HOSTS",
	"1130": "the server accepts no connections from this host",
	"1142": "the user lacks a privilege",
	"1143": "the user lacks a privilege",
	"1146": "the table does not exist",
	"1153": "a statement is larger than max_allowed_packet",
	"1193": "the server does not know a system variable that the DSN sets",
	"1203": "the user has too many connections",
	"1205": "a lock was not granted in time",
	"1213": "a deadlock",
	"1226": "the user has used up a limit of the account",
	"1227": "the user lacks a privilege",
	"1231": "a system variable does not take the value that the DSN sets",
	"1264": "a column has too small a range",
	"1265": "a column has the wrong type",
	"1290": "the server is read-only",
	"1292": "a column has the wrong type",
	"1298": "the server does not know the time zone",
	"1317": "the server has interrupted the statement",
	"1364": "a column that the store does not set has no default",
	"1366": "a column has the wrong type or character set; a column of text for the values needs session_json=true in the DSN (Options.JSON)",
	"1406": "a column is too small",
	"1461": "the server keeps too many prepared statements; raise max_prepared_stmt_count, or use fewer connections",
	"1665": "the server can't write to its binary log at this isolation level; set binlog_format to ROW or MIXED",
	"1698": "the user can't log in by a password",
	"1792": "the transaction is read-only",
	"1836": "the server is read-only",
	"1969": "a statement took longer than max_statement_time",
	"3024": "a statement took longer than max_execution_time",
	"3159": "the server accepts secure connections only; add tls=true to the DSN",
	"4025": "a CHECK constraint refuses the record",
}

// explainMySQL is the Explain of MySQL.
func explainMySQL(err error) string {
	number := numberOf(err)
	switch text := mysqlNumbers[number]; {
	case sentInParts(err):
		return "mysql: a value is larger than max_allowed_packet (error 1105)"
	case says("packet for query is too large")(err):
		return "mysql: a statement is larger than max_allowed_packet of the server, or maxAllowedPacket of the DSN"
	case says("invalid connection")(err):
		return "mysql: the connection was lost"
	case number == "":
		return ""
	case text != "":
		return "mysql: " + text + " (error " + number + ")"
	}
	return "mysql: error " + number
}

// checkMySQL is the Check of MySQL. It writes nothing.
func checkMySQL(ctx context.Context, conn *sql.Conn, t Table) error {
	settings, err := mysqlSettings(ctx, conn)
	if err != nil {
		return err
	}
	mode := settings["sql_mode"]
	switch {
	case settings["autocommit"] != "ON" && settings["autocommit"] != "1":
		return &failure{text: "mysql: autocommit is off; remove it from the DSN or from the server's settings"}
	case settings["tx_isolation"] == "READ-UNCOMMITTED", settings["transaction_isolation"] == "READ-UNCOMMITTED":
		return &failure{text: "mysql: the isolation level is READ UNCOMMITTED; set READ COMMITTED, for instance by transaction_isolation='READ-COMMITTED' in the DSN"}
	case !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES"):
		return &failure{text: "mysql: sql_mode is not strict, so the server would cut what is too large; add STRICT_TRANS_TABLES to sql_mode"}
	case strings.Contains(mode, "EMPTY_STRING_IS_NULL"):
		return &failure{text: "mysql: sql_mode has EMPTY_STRING_IS_NULL, but the subject of an anonymous session is empty; remove it from sql_mode"}
	}
	return checkTable(ctx, conn, t.Name, t.ID)
}

// mysqlSettings returns the settings of a connection that checkMySQL needs.
func mysqlSettings(ctx context.Context, conn *sql.Conn) (map[string]string, error) {
	rows, err := conn.QueryContext(ctx, "SHOW VARIABLES WHERE Variable_name IN ('autocommit', 'sql_mode', 'tx_isolation', 'transaction_isolation')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	settings := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		settings[strings.ToLower(name)] = value
	}
	return settings, rows.Err()
}

// checkTable returns an error unless a table is one of InnoDB, which has transactions, and its key is
// unique.
func checkTable(ctx context.Context, conn *sql.Conn, table, key string) error {
	ddl, err := createStatement(ctx, conn, table)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(ddl, "CREATE ") && !strings.HasPrefix(ddl, "CREATE TABLE"):
		return &failure{text: "mysql: the table of sessions is a view or a temporary table; name a table"}
	case !mysqlEngine.MatchString(ddl):
		return &failure{text: "mysql: the engine of the table of sessions is not InnoDB; change it by ALTER TABLE ... ENGINE = InnoDB"}
	case !declared(key).MatchString(ddl):
		return &failure{text: "mysql: the table of sessions lacks the column of the key; name it by session_id_column in the DSN (Options.IDColumn)"}
	case !uniqueKey(key).MatchString(ddl):
		return &failure{text: "mysql: the key of the table of sessions is not unique; make it the primary key"}
	}
	return nil
}

var mysqlEngine = regexp.MustCompile(`(?i)\n\) ENGINE=InnoDB\b`)

// declared returns an expression for the part of a CREATE TABLE statement without quotes that
// declares a column. It may match other parts too.
func declared(column string) *regexp.Regexp {
	return regexp.MustCompile(`(?im)^\s*` + unquoted(column) + ` `)
}

// uniqueKey returns an expression for the part of a CREATE TABLE statement without quotes that
// declares a column unique.
func uniqueKey(column string) *regexp.Regexp {
	return regexp.MustCompile(`(?im)^\s*(PRIMARY|UNIQUE) KEY \w*\s*\(` + unquoted(column) + `( (ASC|DESC))?\)`)
}

// createStatement returns the statement that creates a table, without quotes of names, whose form
// depends on sql_mode.
func createStatement(ctx context.Context, conn *sql.Conn, table string) (string, error) {
	rows, err := conn.QueryContext(ctx, "SHOW CREATE TABLE "+table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var ddl sql.RawBytes
	into := []any{new(sql.RawBytes), &ddl}
	for len(into) < len(columns) { // a view has more
		into = append(into, new(sql.RawBytes))
	}
	if !rows.Next() {
		return "", rows.Err()
	}
	if err := rows.Scan(into...); err != nil {
		return "", err
	}
	return unquoted(string(ddl)), rows.Err()
}

func unquoted(name string) string { return strings.NewReplacer("`", "", `"`, "").Replace(name) }
