package mysql

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// The statements of the package comment make tables that the store uses, with the privileges that
// they grant and no others.
func TestTablesOfOperator(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	text := regexp.MustCompile(`(?m)^//\t?`).ReplaceAllString(string(source), "")
	ddl := text[strings.Index(text, "CREATE TABLE sessions ("):]
	ddl = ddl[:strings.Index(ddl, "With session_json")]
	server := testserver.StartMariaDB(t, volatile)
	for name, rename := range map[string]*strings.Replacer{
		"default names": strings.NewReplacer(),
		"own names":     strings.NewReplacer("sessions", "web", "\tid VARBINARY(64) NOT NULL PRIMARY KEY,\n\tdata", "\tSID VARBINARY(64) NOT NULL PRIMARY KEY,\n\tvals", "(subject, id)", "(subject, sid)"),
	} {
		t.Run(name, func(t *testing.T) {
			database := server.NewDatabase(t)
			account := grant(t, server, database, "USAGE")
			user, _, _ := strings.Cut(account, ":")
			ddl := rename.Replace(regexp.MustCompile(` TO web;`).ReplaceAllString(ddl, " TO "+user+"@'%';"))
			server.Exec(t, database, ddl)
			dsn := as(t, newDSNIn(server, database), account)
			if name == "own names" {
				dsn += "?session_table=" + database + ".web&session_id_column=sid&session_data_column=vals"
			}
			s := open(t, dsn)
			require.NoError(t, s.(driver.Pinger).Ping(t.Context()))
			useAll(t, s, "")
			_, err := s.DeleteExpired(t.Context())
			require.NoError(t, err)
		})
	}
}

func newDSNIn(server testserver.MariaDB, database string) string {
	return strings.TrimSuffix(server.DSN(database, ""), "?")
}

const sessionsTable = `CREATE TABLE sessions (id VARBINARY(64) NOT NULL PRIMARY KEY, data MEDIUMBLOB NOT NULL, meta VARBINARY(1024) NOT NULL,
		created BIGINT NOT NULL, expires BIGINT NOT NULL, subject VARBINARY(255) NOT NULL, version BIGINT NOT NULL) ENGINE = InnoDB`

// Ping refuses a table that can't keep sessions, and says why.
func TestPingRefusesTable(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	alter := func(old, new string) string {
		require.Contains(t, sessionsTable, old)
		return strings.Replace(sessionsTable, old, new, 1)
	}
	for name, tt := range map[string]struct{ ddl, want string }{
		"MyISAM":                    {alter("InnoDB", "MyISAM"), "is not InnoDB"},
		"Aria":                      {alter("InnoDB", "Aria"), "is not InnoDB"},
		"MyISAM with a comment":     {alter("InnoDB", "MyISAM") + " COMMENT = ') ENGINE=InnoDB'", "is not InnoDB"},
		"view":                      {strings.Replace(sessionsTable, "sessions", "real_sessions", 1) + "; CREATE VIEW sessions AS SELECT * FROM real_sessions", "is a view"},
		"another name of the key":   {alter("id VARBINARY(64)", "sid VARBINARY(64)"), "lacks the column of the key; name it by session_id_column"},
		"no unique key":             {alter(" PRIMARY KEY", ""), "is not unique"},
		"unique prefix":             {alter(" PRIMARY KEY", "") + "; CREATE UNIQUE INDEX i ON sessions (id(20))", "is not unique"},
		"unique with subject":       {alter(" PRIMARY KEY", "") + "; CREATE UNIQUE INDEX i ON sessions (id, subject)", "is not unique"},
		"any case":                  {alter("id VARBINARY(64)", "id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"), "differ in case"},
		"any case, subject":         {alter("subject VARBINARY(255)", "subject VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"), "differ in case"},
		"padded key":                {alter("id VARBINARY(64)", "id CHAR(64) CHARACTER SET ascii COLLATE ascii_bin"), "spaces at the end"},
		"padded subject":            {alter("subject VARBINARY(255)", "subject VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"), "spaces at the end"},
		"padded binary key":         {alter("id VARBINARY(64)", "id BINARY(64)"), "the database returns other values"},
		"short key":                 {alter("id VARBINARY(64)", "id VARBINARY(30)"), "a column is too small"},
		"text":                      {alter("data MEDIUMBLOB", "data MEDIUMTEXT CHARACTER SET utf8mb4"), "the wrong type or character set"},
		"tiny values":               {alter("data MEDIUMBLOB", "data TINYBLOB"), "a column is too small"},
		"short times":               {alter("expires BIGINT", "expires INT"), "a column has too small a range (error 1264)"},
		"dates":                     {alter("expires BIGINT", "expires DATETIME"), "a column has the wrong type (error 1292)"},
		"a column without default":  {alter("version BIGINT NOT NULL", "version BIGINT NOT NULL, tenant INT NOT NULL"), "has no default"},
		"no column subject":         {alter("subject VARBINARY(255) NOT NULL, ", ""), "the table lacks a column"},
		"check":                     {alter("version BIGINT NOT NULL", "version BIGINT NOT NULL CHECK (version < 0)"), "a CHECK constraint refuses the record"},
		"a trigger changes records": {sessionsTable + "; CREATE TRIGGER t BEFORE UPDATE ON sessions FOR EACH ROW SET NEW.expires = NEW.expires + 1000", "a trigger changes records"},
	} {
		t.Run(name, func(t *testing.T) {
			database := server.NewDatabase(t)
			server.Exec(t, database, tt.ddl)
			s := open(t, newDSNIn(server, database))
			err := s.(driver.Pinger).Ping(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), database)
		})
	}
}

// Ping accepts tables of other types and options that keep sessions.
func TestPingAcceptsTable(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for name, ddl := range map[string]string{
		"more columns": strings.Replace(sessionsTable, "version BIGINT NOT NULL", "version BIGINT NOT NULL, tenant INT NOT NULL DEFAULT 1, changed TIMESTAMP", 1),
		"unique key":   strings.Replace(sessionsTable, " PRIMARY KEY", "", 1) + "; ALTER TABLE sessions ADD n INT NOT NULL AUTO_INCREMENT PRIMARY KEY, ADD UNIQUE KEY by_id (ID)",
		"text columns": strings.NewReplacer(
			"id VARBINARY(64)", "id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
			"subject VARBINARY(255)", "subject VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin").Replace(sessionsTable),
		"partitions": sessionsTable + " PARTITION BY KEY (id) PARTITIONS 4",
		"compressed": sessionsTable + " ROW_FORMAT = COMPRESSED",
		"large":      strings.Replace(sessionsTable, "MEDIUMBLOB", "LONGBLOB", 1),
	} {
		t.Run(name, func(t *testing.T) {
			database := server.NewDatabase(t)
			server.Exec(t, database, ddl)
			for i, params := range []string{"", "sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'", "interpolateParams=true"} {
				s := open(t, server.DSN(database, params))
				require.NoError(t, s.(driver.Pinger).Ping(t.Context()), params)
				useAll(t, s, fmt.Sprint(i, "-"))
			}
		})
	}
}

// SQL reads the values of sessions.
func TestSQLReadsValues(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	database := server.NewDatabase(t)
	for _, tt := range []struct{ params, value string }{
		{"session_table=web", "CONVERT(data USING utf8mb4)"},
		{"session_table=json&session_json=true", "data"},
	} {
		s := open(t, server.DSN(database, tt.params))
		r := record("k")
		r.Data = []byte(`{"items":3,"name":"Zoë ☕"}`)
		require.NoError(t, s.Create(t.Context(), r))
		table := strings.Split(tt.params, "=")[1]
		table, _, _ = strings.Cut(table, "&")
		got := server.Exec(t, database, "SELECT JSON_VALUE("+tt.value+", '$.items'), HEX(JSON_VALUE("+tt.value+", '$.name')) FROM "+table)
		require.Equal(t, "3\t5A6FC3AB20E29895", got)
	}
}

// First use refuses connections on which the store would break its contract.
func TestRefusesConnection(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for params, want := range map[string]string{
		"autocommit=0":                       "autocommit is off",
		"tx_isolation='READ-UNCOMMITTED'":    "the isolation level is READ UNCOMMITTED",
		"sql_mode=''":                        "sql_mode is not strict",
		"sql_mode='STRICT_TRANS_TABLES'":     "",
		"sql_mode='ANSI_QUOTES,TRADITIONAL'": "",
	} {
		err := own(t, newDSN(t, server, params)).Ping(t.Context())
		if want == "" {
			require.NoError(t, err, params)
		} else {
			require.ErrorContains(t, err, want, params)
		}
	}
	if server.Server != nil { // MySQL has no such mode
		err := open(t, newDSN(t, server, "sql_mode='EMPTY_STRING_IS_NULL,STRICT_ALL_TABLES'")).(driver.Pinger).Ping(t.Context())
		require.ErrorContains(t, err, "sql_mode has EMPTY_STRING_IS_NULL")
	}
	// A server with other defaults does not matter to a store by DSN.
	server.Exec(t, "", "SET GLOBAL sql_mode = ''; SET GLOBAL tx_isolation = 'READ-UNCOMMITTED'")
	defer server.Exec(t, "", "SET GLOBAL sql_mode = DEFAULT; SET GLOBAL tx_isolation = DEFAULT")
	require.NoError(t, open(t, newDSN(t, server, "")).(driver.Pinger).Ping(t.Context()))
	require.Error(t, own(t, newDSN(t, server, "")).Ping(t.Context()))
}
